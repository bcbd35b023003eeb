"""Model sources in the styles that LLMs write, each with the verdict that it should get.

Small ones are made in ``good`` and ``bad``; whole files lie beside them in ``*.txt``, each below a line
``#: NAME ok|CODE [net=EXPRESSION] [task=grey|text] [FLAG...]``. ``net`` is what plain PyTorch is to evaluate for the
network. Flags: ``compile`` (plain PyTorch needs a compiler for it), ``isolated`` (it reaches out of its process),
``memory`` (it asks for more than a machine has), ``policy`` (it could be trained, and is refused on purpose).
"""

from __future__ import annotations

from tests.trainer.corpus.bad import BAD
from tests.trainer.corpus.files import FILES
from tests.trainer.corpus.good import ATTENTION, FUNCTIONAL, GOOD, PLAIN, RESIDUAL
from tests.trainer.corpus.sample import GREY, HEAD, IMAGE, TEXT, Sample, network

__all__ = [
    "ATTENTION",
    "BAD",
    "FILES",
    "FUNCTIONAL",
    "GOOD",
    "GREY",
    "HEAD",
    "IMAGE",
    "PLAIN",
    "RESIDUAL",
    "TEXT",
    "Sample",
    "network",
]
