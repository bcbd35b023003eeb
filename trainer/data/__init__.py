"""Data sets in memory: read, checked, split and counted, without torch.

:func:`load` gives a :class:`Dataset` of training and validation images; :func:`load_test` gives the test
split, which only the final training asks for.
"""

from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.data.spec import describe, known, load, load_test

__all__ = ["Dataset", "describe", "known", "load", "load_test"]
