"""Text that is not ours, put so that a model can tell it from ours: it cannot close what it stands in."""

from __future__ import annotations

import json
import re


def fenced(text: str, info: str = "") -> str:
    """``text`` in a code fence longer than any run of backticks in it."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    marks = "`" * max(3, longest + 1)
    return f"{marks}{info}\n{text.rstrip()}\n{marks}"


def quoted(data: object) -> str:
    """``data`` as JSON on one line, with every unprintable character escaped."""
    plain = json.dumps(data, ensure_ascii=False)
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in plain)
