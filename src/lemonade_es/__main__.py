"""``python -m lemonade_es``, where the command is not on the PATH."""

from lemonade_es.cli import main

main(prog_name="lemonade-es")
