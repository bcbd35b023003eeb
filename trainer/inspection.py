"""The check of one source by a child, with the report held against what a report can be."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, replace

from pydantic import TypeAdapter, ValidationError

from lemonade_es.trainer.isolation.child import Child, broken, printable
from lemonade_es.trainer.measurement import Budget, CheckReport
from lemonade_es.vocabulary import CENSUS

_REPORT = TypeAdapter(CheckReport)


def inspect(child: Child, source: str, budget: Budget, *, seed: int, deadline: float) -> CheckReport:
    """Has a child check a source.

    Args:
        child: a fresh one.
        source: the candidate.
        budget: bounds that it must keep.
        seed: for its weights and the random batch.
        deadline: when the check must be done, on :func:`time.monotonic`'s clock.

    Raises:
        CandidateFailed: the child ended, was too slow, or sent no proper report.
    """
    started = time.monotonic()
    reply = child.call("check", source=source, budget=asdict(budget), seed=seed, deadline=deadline)
    try:
        report = _REPORT.validate_python(reply.message.get("report"))
    except ValidationError as error:
        raise broken(f"a report with a wrong {error.errors()[0]['loc']}") from None
    if not _is_sound(report):
        raise broken("a report that contradicts itself")
    return replace(
        report,
        message=None if report.message is None else printable(report.message),
        seconds=time.monotonic() - started,
    )


def _is_sound(report: CheckReport) -> bool:
    numbers = (report.parameters, report.macs, report.activation_mb, *(report.census or {}).values())
    counted = (report.parameters, report.macs, report.census, report.architecture)
    return (
        report.ok == (report.stage == "done") == (report.code is None)
        and all(number is None or (number >= 0 and math.isfinite(number)) for number in numbers)
        and set(report.census or {}) <= set(CENSUS)
        and (report.code is None or (report.code.isidentifier() and len(report.code) <= 40))
        and (report.architecture is None or (report.architecture.isalnum() and len(report.architecture) <= 128))
        and not (report.ok and None in counted)
    )
