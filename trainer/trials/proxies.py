"""Zero-cost scores as the parent takes them: asked of a child, and each a number or a reason.

How the child works them out is in ``zero_cost``.
"""

from __future__ import annotations

from collections.abc import Mapping

from lemonade_es.trainer.isolation.child import broken, told
from lemonade_es.trainer.measurement import ZERO_COST
from lemonade_es.trainer.trials.questions import Questions
from lemonade_es.trainer.trials.readings import LARGEST_LOSS
from lemonade_es.trainer.watching.dynamics import Reading


def scores(ask: Questions, source: str, *, seed: int, macs: int, onednn: bool) -> Mapping[str, Reading]:
    """The scores of an untrained network.

    Args:
        ask: the child.
        source: the network.
        seed: for its weights, and for the inputs that are taken.
        macs: multiply-accumulates of one input.
        onednn: whether it computes right gradients.

    Raises:
        CandidateFailed: it has none to tell, be it for want of time or memory.
    """
    match ask.call("score", source=source, seed=seed, macs=macs, onednn=onednn).message:
        case {"known": dict(known), "absent": dict(absent)}:
            return {name: _reading(known.get(name), absent.get(name)) for name in ZERO_COST}
    raise broken("no scores")


def unscored(why: str) -> Mapping[str, Reading]:
    """No score at all, for one reason."""
    return dict.fromkeys(ZERO_COST, Reading(None, why))


def _reading(value: object, why: object) -> Reading:
    match value:
        case int(number) | float(number) if abs(number) <= LARGEST_LOSS:
            return Reading(float(number))
        case int() | float():  # the mean of several would overflow
            return Reading(None, "it is too large")
    return Reading(None, told(str(why or "it was not told")))
