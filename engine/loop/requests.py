"""Builds the edit request of an iteration from what the search knows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set

from lemonade_es.engine.history.events import Advised
from lemonade_es.engine.loop.state import Network
from lemonade_es.engine.spec import RunSpec
from lemonade_es.llm.request import Attempt, Constraints, EditRequest, Instruction, ReplyLimits
from lemonade_es.rules.rulebook import Rulebook
from lemonade_es.task import Task
from lemonade_es.vocabulary import DYNAMICS, METRICS

HISTORY = 12
"""How many earlier iterations an edit request tells of."""

LONG_SOURCE = 150
"""Sources with more lines are better edited than written anew."""

_COUNTS_BY = {
    "F": ("PF", "WF"),
    "NF": ("PF", "WF"),
    "L": ("PL",),
    "B": (),
    "W": ("PW",),
    "R": ("PR",),
    "T_E": ("PT_E", "WE"),
    "T_NE": ("PT_E", "WE"),
    "V_E": ("PV_E", "WE"),
    "V_NE": ("PV_E", "WE"),
}
"""Metrics that differ from one measuring to the next, and the settings by which they count."""

_DYNAMICS = frozenset(DYNAMICS) - {"class_gap"}  # which is an outcome, too


def told_metrics(
    spec: RunSpec, settings: Mapping[str, float | None], matched: Set[str] = frozenset()
) -> tuple[str, ...]:
    """The metrics that a request tells: all that are exact, and those of time and energy only if they count.

    So the same seed and the same replies give the same requests, byte for byte, unless the user asked for
    speed or energy; then the measured values are part of the question. How the training went is told where a rule
    made something of it.

    Args:
        spec: the options.
        settings: thresholds, priorities and weights in force.
        matched: the facts that fired rules have matched.
    """
    wished = {*spec.target, *spec.require}
    return tuple(
        name
        for name in METRICS
        if (name not in _COUNTS_BY or name in wished or any(settings.get(setting) for setting in _COUNTS_BY[name]))
        and (name not in _DYNAMICS or name in matched)
    )


def build_request(
    *,
    spec: RunSpec,
    settings: Mapping[str, float | None],
    task: Task,
    iteration: int,
    base: Network | None,
    instructions: tuple[Instruction, ...],
    history: Sequence[Attempt],
    seed: int,
    matched: Set[str] = frozenset(),
) -> EditRequest:
    """The request of an iteration; without a base it asks for a first network (generate_Initial)."""
    told = told_metrics(spec, settings, matched)
    long = base is not None and base.source.count("\n") > LONG_SOURCE
    return EditRequest(
        task=task,
        iteration=iteration,
        model_py=base.source if base is not None else None,
        census=base.accepted.check.census if base is not None else None,
        metrics={name: base.metrics[name] for name in told if name in base.metrics} if base is not None else {},
        thresholds={name: value for name, value in settings.items() if value is not None},
        instructions=instructions,
        constraints=Constraints(spec.likely_budget.parameters, spec.likely_budget.macs),
        history=tuple(
            Attempt(
                iteration=attempt.iteration,
                instructions=attempt.instructions,
                outcome=attempt.outcome,
                metrics={name: value for name, value in attempt.metrics.items() if name in told},
                CM=attempt.CM,
                summary=attempt.summary,
            )
            for attempt in history[-HISTORY:]
        ),
        limits=ReplyLimits(prefer="edits" if long else "whole_file"),
        seed=seed,
    )


def matched_facts(advised: Advised | None) -> Set[str]:
    """The facts that the rules which fired have matched."""
    return set() if advised is None else {name for firing in advised.inference.fired for name in firing.values}


def instructions_of(advised: Advised | None, rulebook: Rulebook) -> tuple[Instruction, ...]:
    """What is left after conflict resolution, heaviest first, each with its reasons; nothing for a first network."""
    if advised is None:
        return ()
    given = rulebook.instructions
    contributions = advised.inference.contributions
    return tuple(
        Instruction(
            id=name,
            text=given[name].text,
            weight=weight,
            because=tuple(part.because for part in contributions.get(name, ()) if part.because and part.weight > 0),
            changes=given[name].changes,
            direction=given[name].direction,
        )
        for name, weight in advised.resolution.instructions.items()
    )
