"""The ready script that measures on a board reached by ssh."""

from __future__ import annotations

from importlib import resources


def ssh_script() -> str:
    """Its text: a POSIX shell script for ``--measure-with``."""
    return resources.files("lemonade_es.trainer.device").joinpath("measure_over_ssh.sh").read_text(encoding="utf-8")
