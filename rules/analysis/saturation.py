"""What a normalised metric has to do with the one that it follows from, as conditions without a division."""

from __future__ import annotations

import ast
import itertools
import math
from collections.abc import Mapping

from lemonade_es.rules.analysis.points import comparisons_of, metrics_of, references
from lemonade_es.rules.rulebook import Rulebook
from lemonade_es.vocabulary import NORMALISED

MAX_STEPS = 12
"""At a value too many, none is taken: cases would be more than the prover looks at."""


def saturations(rulebook: Rulebook, settings: Mapping[str, float | None]) -> dict[str, ast.expr]:
    """For each threshold by which a metric is normalised that the rules read as well: what holds of the two.

    x / (x + threshold) rises with x, so that one is above a value where the other is above its counterpart. The values
    are those that the rules compare either of them with.

    Args:
        rulebook: its rules are looked at.
        settings: the thresholds in force; nothing is known by one without a value.
    """
    metrics = metrics_of([rulebook])
    compared = references(metrics, comparisons_of([rulebook]), settings)
    found = {}
    for name, (raw, threshold) in NORMALISED.items():
        limit = settings.get(threshold)
        if limit is None or not limit > 0 or not {name, raw} <= {*metrics}:
            continue
        values = {value for value in compared[raw] if value > 0}
        values |= {limit * share / (1 - share) for share in compared[name] if 0 < share < 1}
        steps = sorted(value for value in values if math.isfinite(value + limit))
        if 0 < len(steps) <= MAX_STEPS:
            # between them as well, lest one be at its step and the other one at the next
            between = [low + (high - low) / 2 for low, high in itertools.pairwise(steps)]
            found[threshold] = _rising(raw, name, [(at, at / (at + limit)) for at in sorted({*steps, *between})])
    return found


def _rising(raw: str, name: str, steps: list[tuple[float, float]]) -> ast.expr:
    """That two metrics lie between the same steps."""
    cases = [f"{raw} <= {steps[0][0]!r} and {name} <= {steps[0][1]!r}"]
    for (low, share), (high, other) in itertools.pairwise(steps):
        cases.append(f"{low!r} <= {raw} <= {high!r} and {share!r} <= {name} <= {other!r}")
    cases.append(f"{raw} >= {steps[-1][0]!r} and {name} >= {steps[-1][1]!r}")
    return ast.parse(" or ".join(cases), mode="eval").body
