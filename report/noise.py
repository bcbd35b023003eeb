"""What repeated trainings say, in words: means with their spread, ties, and the noise floor."""

from __future__ import annotations

from types import MappingProxyType

from lemonade_es.engine.bounds import Bounds, excess
from lemonade_es.engine.history.events import IterationEnded, NoiseEstimated
from lemonade_es.engine.loop.noise import ENOUGH, Noise
from lemonade_es.report.formats import UNKNOWN


def combined(ended: IterationEnded) -> str:
    """The combined metric, with its spread where the network was trained more than once: ``0.9412±0.0031``."""
    if ended.CM is None:
        return UNKNOWN
    spread = ended.spread.get("CM")
    return f"{ended.CM:.4f}" + (f"±{spread:.4f}" if spread is not None else "")


def noise_told(noise: NoiseEstimated) -> str:
    """The noise floor in words."""
    of = "iterations" if len(noise.networks) > 1 else "iteration"
    networks = ", ".join(map(str, noise.networks))
    return (
        f"noise floor: CM differs by {noise.floor:.4f} (standard deviation) between seeds, from the repeats of "
        f"{of} {networks}; smaller differences are ties"
    )


def still_unknown(noise: Noise) -> str:
    """Why there is no noise floor yet."""
    return f"noise floor: not known yet, repeats have given {noise.degrees} of the {ENOUGH} degrees of freedom it needs"


def standing(
    ended: IterationEnded, leader: IterationEnded | None, floor: float | None, bounds: Bounds = MappingProxyType({})
) -> str:
    """What a row of the table says at its end: ``best``, ``tie`` with it, or why there is no measurement."""
    if leader is not None and ended.iteration == leader.iteration:
        return "best"
    if ended.outcome != "ok":
        return ended.outcome
    if floor is None or leader is None or ended.CM is None or leader.CM is None:
        return ""
    if excess(bounds, ended.metrics) != excess(bounds, leader.metrics):
        return ""
    return "tie" if abs(ended.CM - leader.CM) < floor else ""
