"""How findings name rules, situations and numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from lemonade_es.rules.rulebook import Rule

_NAMED = 3


def example(witness: Mapping[str, float]) -> str:
    """``T_Acc = 0.6, V_Acc = 0.5``."""
    return ", ".join(f"{name} = {value:.10g}" for name, value in witness.items()) or "whatever is measured"


def located(rule: Rule) -> str:
    """``overfitting (lemonade.yaml:84)``."""
    return f"{rule.id} ({rule.place.file}:{rule.place.line})"


def listed(words: Sequence[str]) -> str:
    """``a``, ``a and b``, ``a, b and 5 more``."""
    if len(words) > _NAMED + 1:
        return f"{', '.join(words[:_NAMED])} and {len(words) - _NAMED:,} more"
    return " and ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def located_all(rules: Sequence[Rule]) -> str:
    """Several rules with their places; the first ones, if there are many."""
    return listed([located(rule) for rule in rules])


def share(part: int, whole: int) -> str:
    """``all 200``, ``150 of the 200``."""
    return f"all {whole:,}" if part == whole else f"{part:,} of the {whole:,}"
