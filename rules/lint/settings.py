"""Settings in the place of others: a priority to compare with, a threshold to weigh with; and settings unread."""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterable, Iterator, Mapping

from lemonade_es.rules.lint.finding import Finding
from lemonade_es.rules.reason import reason_names
from lemonade_es.rules.rulebook import Rule, Rulebook
from lemonade_es.vocabulary import METRICS, NORMALISED, PRIORITIES, THRESHOLDS, Term


def misplaced_settings(rulebook: Rulebook) -> Iterator[Finding]:
    """Metrics that are compared with a priority, and weights that are a threshold."""
    for rule in rulebook.rules:
        yield from _compared(rule)
        weight = rule.weight
        if weight is not None and isinstance(weight.tree, ast.Name) and weight.tree.id in THRESHOLDS:
            name = weight.tree.id
            said = f"the weight of {rule.id} is {name}, which is a threshold{_meant(name, PRIORITIES)}"
            yield Finding("warning", "WRONG_SETTING", weight.place, said, (rule.id,))


def unread(rulebook: Rulebook, names: Iterable[str]) -> Iterator[str]:
    """Thresholds and priorities among some names that neither a rule nor the combined metric reads."""
    expressions = [part for rule in rulebook.rules for part in (rule.when, rule.weight) if part is not None]
    read = {name for expression in expressions for name in expression.names}
    read.update(name for rule in rulebook.rules for name in reason_names(rule.because))
    read.update(threshold for _, threshold in NORMALISED.values())
    return (name for name in names if (name in THRESHOLDS or name in PRIORITIES) and name not in read)


def _compared(rule: Rule) -> Iterator[Finding]:
    comparisons = (part for part in ast.walk(rule.when.tree) if isinstance(part, ast.Compare))
    for comparison in comparisons:
        for pair in itertools.pairwise([comparison.left, *comparison.comparators]):
            metric, priority = sorted(pair, key=lambda side: isinstance(side, ast.Name) and side.id in PRIORITIES)
            if not (isinstance(priority, ast.Name) and priority.id in PRIORITIES):
                continue
            if not (isinstance(metric, ast.Name) and metric.id in METRICS):
                continue
            said = f"{rule.id} compares {metric.id} with {priority.id}, which is a priority"
            place = rule.when.layout.at(priority.col_offset)
            yield Finding("warning", "WRONG_SETTING", place, f"{said}{_meant(priority.id, THRESHOLDS)}", (rule.id,))


def _meant(name: str, kind: Mapping[str, Term]) -> str:
    """The setting of the other kind that belongs to the same metric, if there is one: ``TV_Acc`` for ``PV_Acc``."""
    meant = f"{'T' if kind is THRESHOLDS else 'P'}{name[1:]}"
    return f"; did you mean {meant}?" if meant in kind else ""
