"""A rulebook that is refused, and what is said of it."""

from __future__ import annotations

import pytest

from lemonade_es.errors import RulebookError
from lemonade_es.rules.load import parse_rulebook

HEAD = """\
rulebook: book
version: 1
instructions:
  ACL: {text: Add}
rules:
"""


def told(text):
    with pytest.raises(RulebookError) as raised:
        parse_rulebook(text, "b")
    return [str(problem) for problem in raised.value.problems]
