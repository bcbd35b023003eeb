"""The beginnings of rulebooks: commented texts that check, and whose tests pass, before anything is changed."""

from __future__ import annotations

import re
from importlib import resources
from string import Template

from lemonade_es.errors import ConfigError
from lemonade_es.rules.schema import RULE_ID


def new_rulebook(name: str, extends: str | None, file: str) -> str:
    """The text of a new rulebook.

    Args:
        name: what it is called.
        extends: the rulebook that it builds on, a shipped name or a file beside it; ``None`` for one that stands alone.
        file: the file that it will be in, for the commands in its comments.

    Raises:
        ConfigError: no rulebook can have this name.
    """
    if not re.fullmatch(RULE_ID, name):
        raise ConfigError(f"a rulebook cannot be called {name!r}", hint="use letters, digits, - and _")
    kind = "standalone" if extends is None else "extending"
    text = resources.files("lemonade_es.rules").joinpath("templates", f"{kind}.yaml").read_text(encoding="utf-8")
    return Template(text).safe_substitute(name=name, base=extends or "", file=file)  # safe: editors need a $schema
