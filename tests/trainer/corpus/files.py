"""Sources that lie in files: see the package."""

from __future__ import annotations

import re
from pathlib import Path

from tests.trainer.corpus.sample import GREY, IMAGE, TEXT, Sample


def _filed(text: str) -> Sample:
    title, _, source = text.partition("\n")
    name, code, *options = title.split()
    words = dict(option.split("=", 1) for option in options if "=" in option)
    return Sample(
        name,
        source,
        code=None if code == "ok" else code,
        task={"grey": GREY, "text": TEXT}.get(words.get("task", ""), IMAGE),
        net=words.get("net", "Net()"),
        flags=tuple(option for option in options if "=" not in option),
        head="",
    )


FILES = tuple(
    _filed(text)
    for path in sorted(Path(__file__).parent.glob("*.txt"))
    for text in re.split(r"^#: ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)[1:]
)
