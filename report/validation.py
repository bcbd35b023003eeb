"""The verdicts on model files: a line for each, and a summary."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.text import Text

from lemonade_es.report.formats import count, duration
from lemonade_es.trainer.validation import Validation


def verdict_line(verdict: Validation) -> Text:
    """One verdict, its message on a line of its own."""
    place = verdict.file if verdict.line is None else f"{verdict.file}:{verdict.line}"
    if verdict.ok:
        figures = [f"{count(verdict.params)} parameters"] if verdict.params is not None else []
        figures += [f"{count(verdict.macs)} MACs"] if verdict.macs is not None else []
        head = Text.assemble(("ok", "green"), f"    {place}  {', '.join(figures)}")
    else:
        head = Text.assemble(("wrong", "red"), f" {place}  ", (f"{verdict.code}", "bold"), f" ({verdict.stage})")
    return head if verdict.message is None else head.append(f"\n      {verdict.message}")


def verdict_summary(verdicts: Sequence[Validation], seconds: float) -> str:
    """How many passed, and what stopped the others.

    Args:
        verdicts: all of them.
        seconds: that validating took.
    """
    passed = sum(verdict.ok for verdict in verdicts)
    codes = Counter(verdict.code for verdict in verdicts if not verdict.ok)
    reasons = ", ".join(f"{code} {number}" for code, number in codes.most_common())
    return f"{passed} of {len(verdicts)} pass, in {duration(seconds)}" + (f"; {reasons}" if reasons else "")
