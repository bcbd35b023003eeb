"""The guide for domain experts: each of its commands does what the page says."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).resolve().parents[2] / "docs"
EXPECTED = {0, 1, 2}


@pytest.fixture(scope="module")
def guide():
    spec = importlib.util.spec_from_file_location("guide", DOCS / "guide.py")
    module = sys.modules["guide"] = importlib.util.module_from_spec(spec)  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_every_command_of_the_guide_prints_what_the_page_says(guide, tmp_path):
    found = guide.steps((DOCS / "rulebook-guide.md").read_text(encoding="utf-8"), tmp_path)
    assert len(found) >= 10
    for step in found:
        assert step.code in EXPECTED, f"{step.command}: {step.prints}"
        assert "Traceback" not in step.prints
        if not step.varies:
            assert step.prints == step.told, f"{step.command} prints something else; run `python docs/guide.py`"


def test_a_page_that_says_something_else_would_be_found(guide, tmp_path):
    (step,) = guide.steps("```console\n$ echo yes\nno\n```\n", tmp_path)
    assert (step.told, step.prints) == ("no\n", "yes\n")


def test_the_files_of_a_page_are_there_for_its_commands(guide, tmp_path):
    page = "<!-- file: a.txt -->\n```yaml\nhello\n```\n\n```console\n$ cat a.txt\n```\n"
    assert guide.steps(page, tmp_path)[0].prints == "hello\n"
    assert guide.updated(page).endswith("$ cat a.txt\nhello\n```\n")
