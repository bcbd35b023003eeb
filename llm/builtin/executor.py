"""The built-in executor: it edits networks by rules of its own, without a language model.

It is meant for trying the search out, for tests, and as the baseline that an LLM must beat.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Sequence
from dataclasses import asdict
from random import Random

from lemonade_es.errors import ReplyError
from lemonade_es.llm.builtin.blueprint import Blueprint
from lemonade_es.llm.builtin.cost import census, macs, parameters
from lemonade_es.llm.builtin.first_network import first_network
from lemonade_es.llm.builtin.hunks import hunks
from lemonade_es.llm.builtin.plan import Plan, plan
from lemonade_es.llm.builtin.reader import parse
from lemonade_es.llm.builtin.source import render, subject
from lemonade_es.llm.codes import Code
from lemonade_es.llm.executor import Reply
from lemonade_es.llm.patch import Patch, Predicted
from lemonade_es.llm.request import EditRequest, Feedback

_NAME = "builtin"
# Refusals never run into the dozens; the bound only says that a plan is not looked for without end.
_TRIALS = 32
# Where the same instructions have led to nothing so often, a small change is tried beside them, later two.
_PATIENCE, _BOLDEST = 3, 2


class BuiltinExecutor:
    """Carries out edit requests on networks that it wrote itself; a pure function of what it is asked.

    All randomness comes from the request's seed and iteration and from the number of refused replies, so the
    same question always has the same answer, and a refused answer is not given again.
    """

    @property
    def name(self) -> str:
        """``builtin``."""
        return _NAME

    @property
    def foreign(self) -> bool:
        """``False``: the source that it returns was written by this package."""
        return False

    @property
    def priced(self) -> bool:
        """``True``: it costs nothing."""
        return True

    def ask(self, request: EditRequest, feedback: Sequence[Feedback] = ()) -> Reply:
        """Answer with a patch: the whole file for a first network, search/replace edits for later ones.

        Raises:
            ReplyError: ``FOREIGN_SOURCE``: the request's source is not one that this executor wrote for this
                task; ``BUDGET_TOO_SMALL`` or ``NOTHING_TO_DO``: the budgets leave nothing to do.
        """
        patch = _begin(request, feedback) if request.model_py is None else _edit(request.model_py, request, feedback)
        return Reply(text=json.dumps(asdict(patch), indent=2), executor=_NAME)


def _begin(request: EditRequest, feedback: Sequence[Feedback]) -> Patch:
    shrink = len(feedback)
    blueprint = first_network(request.task, request.constraints, _random(request, shrink), shrink)
    made = census(blueprint)
    dense = blueprint.kind == "table"
    layers = f"{made['dense_layers'] - 1} dense layers" if dense else f"{made['conv_layers']} convolutions"
    aids = ["batch normalisation"] if made["regularizers"] else []
    aids += ["dropout"] if dense else []
    return Patch(
        summary=f"a first network for {subject(blueprint)}: {layers} with {' and '.join(aids)}, "
        f"{macs(blueprint):,} multiply-accumulates",
        model_py=render(blueprint),
        edits=None,
        predicted=Predicted(P=parameters(blueprint)),
    )


def _edit(source: str, request: EditRequest, feedback: Sequence[Feedback]) -> Patch:
    chosen = _unrefused(parse(source), request, feedback)
    return Patch(
        summary=_summary(chosen),
        model_py=None,
        edits=hunks(source, render(chosen.blueprint)),
        applied=chosen.applied,
        skipped=chosen.skipped,
        predicted=Predicted(P=parameters(chosen.blueprint)),
    )


def _unrefused(blueprint: Blueprint, request: EditRequest, feedback: Sequence[Feedback]) -> Plan:
    """The plan after these refusals: made again as at each refusal, so that no network comes up twice."""
    if not blueprint.fits(request.task):
        raise ReplyError(
            Code.FOREIGN_SOURCE,
            f"the model is a network for {subject(blueprint)}, and the task is another one: "
            f"{request.task.kind} inputs {request.task.input_shape}, {request.task.answer}",
            hint="start without this model, or choose the data set that it was written for",
        )
    seen = []
    vain = min(_vain(request) // _PATIENCE, _BOLDEST)
    for attempt in range(len(feedback) + 1):
        codes = [refused.code for refused in feedback[:attempt]]
        refusals = sum(code.startswith("OVER_BUDGET") for code in codes)
        known = codes.count("DUPLICATE")
        for trial in range(_TRIALS):
            rng = _random(request, attempt, trial)
            variations = max(known, trial > 3, vain)
            chosen = plan(blueprint, request, rng, refusals=refusals, variations=variations)
            if chosen.blueprint not in seen:
                break
        seen.append(chosen.blueprint)
    return chosen


def _vain(request: EditRequest) -> int:
    """How many edits in a row did not lead to a better network."""
    return sum(1 for _ in itertools.takewhile(lambda attempt: attempt.outcome != "best", reversed(request.history)))


def _summary(chosen: Plan) -> str:
    done = [*(f"{applied.instruction}: {applied.how}" for applied in chosen.applied), *chosen.instead]
    if not done:
        done = ["no instruction could be carried out" if chosen.skipped else "nothing was asked for"]
    return "; ".join((*done, *chosen.beside))


def _random(request: EditRequest, attempt: int, trial: int = 0) -> Random:
    # Random hashes a string with SHA-512, the same in every process.
    return Random(f"{request.seed} {request.iteration} {attempt} {trial}")  # noqa: S311 - not for secrets
