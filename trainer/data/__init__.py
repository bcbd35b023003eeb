"""Data sets in memory: read, checked, split and counted, without torch.

:func:`load` gives a :class:`Dataset` of training and validation inputs; :func:`load_test` gives the test
split, which only the final training asks for.
"""

from lemonade_es.trainer.data.catalogue import describe, known
from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.data.reading import Reading
from lemonade_es.trainer.data.spec import load, load_test

__all__ = ["Dataset", "Reading", "describe", "known", "load", "load_test"]
