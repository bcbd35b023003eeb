"""What a user has set, and the rulebook of the run has no rule for."""

from __future__ import annotations

from lemonade_es.engine.history.events import RunStarted
from lemonade_es.rules.lint.settings import unread
from lemonade_es.rules.load import parse_rulebook


def unread_settings(started: RunStarted) -> tuple[str, ...]:
    """A warning for each threshold and priority of ``--set`` that neither a rule nor the combined metric reads."""
    given = started.spec.set
    if not given:
        return ()
    rulebook = parse_rulebook(started.rulebook, started.rulebook_file, started.rulebook_bases)
    return tuple(
        f"no rule reads {name}, so --set {name}={given[name]:g} changes no advice; "
        "take a rulebook with a rule that does, or leave it out"
        for name in unread(rulebook, given)
    )
