"""The page of codes: each example gives its code, and no code is missing."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

from lemonade_es.vocabulary import TERMS

ROOT = Path(__file__).resolve().parents[2]


def loaded():
    spec = importlib.util.spec_from_file_location("codes", ROOT / "docs" / "codes.py")
    module = sys.modules["codes"] = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


CODES = loaded()
PAGE = CODES.PAGE.read_text(encoding="utf-8")
ENTRIES = CODES.entries(PAGE)


@pytest.mark.parametrize("entry", ENTRIES, ids=[entry.code for entry in ENTRIES])
def test_the_example_gives_its_code_as_the_page_says(entry):
    assert f" {entry.code} " in entry.prints, f"{entry.code} is not given by:\n{entry.example}"
    assert entry.prints == entry.told, "run `python docs/codes.py`"
    assert "**Cure:** " in entry.about


def test_every_code_in_the_source_is_on_the_page_once():
    used = set()
    for path in (ROOT / "rules").rglob("*.py"):
        text = path.read_text(encoding="utf-8")
        used |= set(re.findall(r'"([A-Z]+(?:_[A-Z]+)+|EMPTY|GAP|CONTRADICTION)"', text))
    told = [entry.code for entry in ENTRIES]
    assert sorted(told) == sorted(used - set(TERMS))
    assert len(told) == PAGE.count("\n## ")
