"""Writes what `lemonade-es rulebook check` prints into docs/rulebook-codes.md: `python docs/codes.py`."""

from __future__ import annotations

import os
import re
import tempfile
from dataclasses import dataclass
from pathlib import Path

from lemonade_es.report.rulebook_check import check

PAGE = Path(__file__).with_name("rulebook-codes.md")
ENTRY = re.compile(
    r"^## (?P<code>[A-Z_]+)\n(?P<about>.*?)^```yaml\n(?P<example>.*?)^```\n\n^```text\n(?P<told>.*?)^```$", re.M | re.S
)
REST = {
    "rulebook": "rulebook: book\n",
    "version": "version: 1\n",
    "instructions": (
        "instructions:\n  ACL: {text: Add, conflicts_with: RCL}\n  RCL: {text: Reduce, conflicts_with: ACL}\n"
    ),
    "rules": (
        "rules:\n  - {id: low, when: V_Acc < TV_Acc, weight: PV_Acc, instruct: [ACL], because: low}\n"
        "  - {id: slow, when: F < TF, weight: PF, instruct: [RCL], because: slow}\n"
    ),
    "tests": "tests:\n  - {name: low, given: {V_Acc: 0.5}, expect: {fired: [low]}}\n",
}
"""What an example that does not have it is completed with, at its end."""


@dataclass(frozen=True)
class Entry:
    """A code on the page.

    Attributes:
        code: the code.
        about: what the page says of it.
        example: a rulebook, or the beginning of one.
        told: what the page says that is printed of this code.
        prints: what is printed of it.
    """

    code: str
    about: str
    example: str
    told: str
    prints: str


def entries(page: str) -> list[Entry]:
    """The codes of a page, each with what its example gives now."""
    return [_entry(found) for found in ENTRY.finditer(page)]


def updated(page: str) -> str:
    """The page with what is printed now."""
    fresh = {entry.code: entry.prints for entry in entries(page)}

    def block(found: re.Match[str]) -> str:
        head = page[found.start() : found.start("told")]
        return f"{head}{fresh[found['code']]}```"

    return ENTRY.sub(block, page)


def _entry(found: re.Match[str]) -> Entry:
    here = Path.cwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            Path("book.yaml").write_bytes(_completed(found["example"], found["code"]))
            problems = check("book.yaml").to_json()["problems"]
        finally:
            os.chdir(here)
    lines = [_line(problem) for problem in problems if problem["code"] == found["code"]]
    return Entry(found["code"], found["about"], found["example"], found["told"], "".join(lines))


def _completed(example: str, code: str) -> bytes:
    text = re.sub(r"(\S+)…", lambda repeated: repeated[1] * 100, example)
    if code in {"EMPTY_FILE", "YAML_DIRECTIVE", "MANY_DOCUMENTS", "NO_TESTS"}:
        missing = ("rulebook", "version", "instructions", "rules") if code == "NO_TESTS" else ()
    elif re.search(r"^extends:", text, re.M):
        missing = ("rulebook", "version")
    else:
        missing = tuple(REST)
    for key in missing:
        own_rules = key == "tests" and re.search(r"^rules:", text, re.M)
        if code != "MISSING_KEY" and not own_rules and not re.search(rf"^{key}:", text, re.M):
            text += REST[key]
    return text.encode("latin-1" if code == "NOT_TEXT" else "utf-8")


def _line(problem: dict[str, object]) -> str:
    level = "" if problem["level"] == "error" else f"{problem['level']} "
    place = f"{problem['file']}:{problem['line']}:{problem['column']}"
    return f"{place} {level}{problem['code']} {problem['message']}\n"


if __name__ == "__main__":
    PAGE.write_text(updated(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
