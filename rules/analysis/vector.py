"""A rulebook over many situations at once: what fires, and what is left after conflict resolution."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from lemonade_es.rules.analysis.arrays import TRUE, Array, cancelled, condition, number, rounded
from lemonade_es.rules.analysis.points import Points
from lemonade_es.rules.rulebook import Rulebook
from lemonade_es.rules.strata import strata
from lemonade_es.rules.tie import DIGITS


@dataclass(frozen=True, slots=True)
class Outcomes:
    """What a rulebook makes of each point.

    Attributes:
        rules: the ids of its rules, in their order.
        instructions: the ids of its instructions, in their order.
        truth: of each rule's condition, ``[points, rules]``.
        weights: of each instruction before conflicts are resolved, ``[points, instructions]``; NaN if not given.
        urgency: the highest salience of the rules that gave it weight, likewise; -inf where none did.
        kept: its weight after Algorithm 2 and ``max_instructions``, or 0 where it is not left.
    """

    rules: tuple[str, ...]
    instructions: tuple[str, ...]
    truth: npt.NDArray[np.float32]
    weights: Array
    urgency: Array
    kept: Array


def evaluate_points(rulebook: Rulebook, points: Points) -> Outcomes:
    """Fire the rules and resolve the conflicts at each point, as the engine does at one."""
    columns = np.asfortranarray(points.values)  # they are read one by one
    values: dict[str, Array] = {name: columns[:, index] for index, name in enumerate(points.names)}
    stratum = strata(rulebook.rules)
    order = sorted(range(len(rulebook.rules)), key=lambda index: _firing(rulebook, stratum, index))
    number_of = {name: index for index, name in enumerate(rulebook.instructions)}
    shape = (len(points.values), len(number_of))
    truth = np.zeros((shape[0], len(rulebook.rules)), dtype=np.float32, order="F")
    combine, neutral = (np.add, 0.0) if rulebook.combine == "sum" else (np.maximum, -np.inf)
    weights, urgency = np.full(shape, neutral, order="F"), np.full(shape, -np.inf, order="F")
    asked, largest = np.zeros(shape, dtype=np.bool_, order="F"), np.zeros(shape, order="F")
    for rule in rulebook.rules:
        if rule.conclude is not None:
            values[rule.conclude] = np.zeros(shape[0])
    for index in order:
        rule = rulebook.rules[index]
        held = np.broadcast_to(condition(rule.when.tree, values), shape[:1])
        truth[:, index] = held
        if rule.conclude is not None:
            values[rule.conclude] = np.maximum(values[rule.conclude], held)
        if rule.weight is None:
            continue
        weight = np.broadcast_to(number(rule.weight.tree, values), shape[:1])
        given, size = (held == TRUE) & ~np.isnan(weight), np.abs(weight)
        for name in rule.instruct:
            total, most_urgent = weights[:, number_of[name]], urgency[:, number_of[name]]
            most = largest[:, number_of[name]]
            with np.errstate(over="ignore"):  # too heavy to compute is heavier than all that is not
                combine(total, weight, out=total, where=given)
            np.maximum(most, size, out=most, where=given)
            np.maximum(most_urgent, rule.salience, out=most_urgent, where=given & (weight > 0))
            asked[:, number_of[name]] |= given
    if rulebook.combine == "sum":
        weights = cancelled(weights, largest)
    weights[~asked] = np.nan
    ids = tuple(rule.id for rule in rulebook.rules)
    kept = _resolved(rulebook, number_of, weights, urgency)
    return Outcomes(ids, tuple(number_of), truth, weights, urgency, kept)


def levels(weights: Array) -> Array:
    """What weights are compared by; see :func:`lemonade_es.rules.tie.level`."""
    return rounded(weights, DIGITS)


def _firing(rulebook: Rulebook, stratum: Mapping[str, int], index: int) -> tuple[int, int, int]:
    rule = rulebook.rules[index]
    return stratum[rule.id], -rule.salience, index


def _resolved(rulebook: Rulebook, number_of: Mapping[str, int], weights: Array, urgency: Array) -> Array:
    """Algorithm 2 and ``max_instructions``; see :func:`lemonade_es.engine.expert.conflicts.resolve`."""
    given = np.where(np.isnan(weights), 0.0, weights)
    height = levels(given)
    kept = np.where(given > 0, given, 0.0)
    for name, column in number_of.items():
        partner = rulebook.instructions[name].conflicts_with
        if partner is None:
            continue
        rival = number_of[partner]
        level = height[:, rival] == height[:, column]
        first = urgency[:, rival] > urgency[:, column]
        first |= (urgency[:, rival] == urgency[:, column]) & (rival < column)
        beaten = (height[:, rival] > height[:, column]) | (level & first)
        kept[:, column] = np.where((given[:, rival] > 0) & beaten, 0.0, kept[:, column])
    limit = rulebook.max_instructions
    if limit is not None and limit < kept.shape[1]:
        place = np.broadcast_to(np.arange(kept.shape[1]), kept.shape)
        walk = np.lexsort((place, -urgency, -levels(kept)), axis=-1)
        np.put_along_axis(kept, walk[:, limit:], 0.0, axis=-1)
    return kept
