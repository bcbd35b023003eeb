"""The check of one source by a child, with the report held against what a report can be."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, replace
from typing import Literal

from pydantic import TypeAdapter, ValidationError

from lemonade_es.source_lines import lines_of
from lemonade_es.trainer.isolation.child import CandidateFailed, Child, broken, is_code, told
from lemonade_es.trainer.isolation.protocol import Frame
from lemonade_es.trainer.measurement import Budget, CheckReport
from lemonade_es.vocabulary import CENSUS

_REPORT = TypeAdapter(CheckReport)
# building, running forward and learning, for each of two devices
_MOST_STEPS = 6
_ADVICE = {
    "TIMED_OUT": ": make the network smaller, and see that its loops end",
    "OUT_OF_MEMORY": ": use fewer or narrower layers, or shrink the feature maps earlier",
}
"""What to do about the ends that come from outside, and say only how they came."""


def inspect(child: Child, source: str, budget: Budget, *, seed: int, deadline: float) -> CheckReport:
    """Has a child check a source; one that crashes, hangs or lies gets a report too, of the step it had begun.

    Args:
        child: a fresh one.
        source: the candidate.
        budget: bounds that it must keep.
        seed: for its weights and the random batch.
        deadline: when the check must be done, on :func:`time.monotonic`'s clock.
    """
    started = time.monotonic()
    progress = _Progress()
    try:
        reply = child.call(
            "check", source=source, budget=asdict(budget), seed=seed, deadline=deadline, on_progress=progress.hear
        )
        report = _sound(reply.message.get("report"), len(lines_of(source)))
    except CandidateFailed as failed:
        reason = failed.failure
        message = reason.message + _ADVICE.get(reason.code, "")
        report = CheckReport(False, progress.stage, reason.code, message, reason.line)
    return replace(
        report,
        message=None if report.message is None else told(report.message),
        seconds=time.monotonic() - started,
    )


@dataclass(slots=True)
class _Progress:
    """The step that a child said it has begun: for the report of a crash, and for nothing else."""

    stage: Literal["parse", "build", "forward", "batch"] = "parse"
    told: int = 0

    def hear(self, frame: Frame) -> None:
        self.told += 1
        match frame.message.get("stage"):
            case "build" | "forward" | "batch" as stage if self.told <= _MOST_STEPS:
                self.stage = stage
            case _:
                raise broken("a wrong step")


def _sound(said: object, lines: int) -> CheckReport:
    try:
        report = _REPORT.validate_python(said)
    except ValidationError as error:
        raise broken(f"a report with a wrong {error.errors()[0]['loc']}") from None
    if not _is_sound(report, lines):
        raise broken("a report that contradicts itself")
    return report


def _is_sound(report: CheckReport, lines: int) -> bool:
    numbers = (report.parameters, report.macs, report.activation_mb, *(report.census or {}).values())
    counted = (report.parameters, report.macs, report.census, report.architecture)
    return (
        report.ok == (report.stage == "done") == (report.code is None)
        and all(number is None or (number >= 0 and math.isfinite(number)) for number in numbers)
        and set(report.census or {}) <= set(CENSUS)
        and (report.code is None or is_code(report.code))
        and (report.architecture is None or (report.architecture.isalnum() and len(report.architecture) <= 128))
        and (report.line is None or 1 <= report.line <= lines + 1)  # the end of the source is a line too
        and not (report.ok and None in counted)
    )
