"""The parts of a prompt that are made from a request: task, budgets, measures, history, instructions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from lemonade_es.llm.quotation import fenced, quoted
from lemonade_es.llm.request import Attempt, Constraints, Instruction
from lemonade_es.task import Task
from lemonade_es.vocabulary import CENSUS, METRICS

MAX_SUMMARY_CHARACTERS = 400
"""Of an earlier iteration's summary, more is not told."""


def tell_task(task: Task) -> str:
    """What the network is for, in two or three sentences."""
    shape = ", ".join(map(str, task.input_shape))
    if task.kind == "image":
        given = f"float32 images of shape `(N, {shape})`, each channel standardised"
    elif task.kind == "table":
        given = f"float32 rows of shape `(N, {shape})`, numbers standardised, categories as one feature for each value"
    else:
        given = f"int64 tokens of shape `(N, {shape})`, of which 0 is padding, at the end of short texts"
        if task.vocabulary_size is not None:
            given += f", and {task.vocabulary_size - 1} is the largest"
    head = f"A PyTorch {task.kind} {task.objective} network for the data set {quoted(task.data)}. It takes {given}; "
    if task.objective == "regression":
        told = "the target in standard deviations from its mean"
        return f"{head}it returns one number each, `(N, 1)`: {told}. Accuracy means {task.accuracy}."
    return f"{head}it returns logits of shape `(N, {task.classes})`."


def tell_budgets(constraints: Constraints) -> str:
    """What the network may need at most, a line each."""
    bounds = (
        ("trainable parameters", constraints.parameters, ""),
        ("multiply-accumulates of one input", constraints.macs, ""),
        ("memory of the activations", constraints.activation_mb, " MB"),
    )
    lines = [f"- {name}: at most {bound:,}{unit}" for name, bound, unit in bounds if bound is not None]
    return "\n".join(lines) or "None."


def tell_wishes(thresholds: Mapping[str, float | None]) -> str:
    """What is wanted of each metric that has a threshold, a line each."""
    lines = (
        f"- {name} ({term.text}): wanted {wish}" for name, term in METRICS.items() if (wish := _wish(name, thresholds))
    )
    return "\n".join(lines)


def tell_measures(metrics: Mapping[str, float | None], thresholds: Mapping[str, float | None]) -> str:
    """What was measured, what is wanted and what is missing, a line each."""
    return "\n".join(_measure_lines(metrics, thresholds))


def _measure_lines(metrics: Mapping[str, float | None], thresholds: Mapping[str, float | None]) -> Iterator[str]:
    for name, term in METRICS.items():
        if name not in metrics:
            continue
        value = metrics[name]
        measured = "not measured" if value is None else _number(value, term.unit)
        wish = _wish(name, thresholds)
        verdict = ""
        bound = thresholds.get(f"T{name}")
        if wish and value is not None and bound is not None:
            met = value >= bound if term.better == "higher" else value <= bound
            verdict = f"; {'met' if met else f'missed by {_number(abs(value - bound), term.unit)}'}"
        yield f"- {name} ({term.text}): {measured}" + (f"; wanted {wish}" if wish else "") + verdict
    training, validation = metrics.get("T_Acc"), metrics.get("V_Acc")
    over = thresholds.get("OT")
    if training is not None and validation is not None and over is not None:
        yield f"- T_Acc - V_Acc: {_number(training - validation)}; overfitting above {_number(over)}"


def _wish(metric: str, thresholds: Mapping[str, float | None]) -> str:
    """What is wanted of a metric, by its threshold ``T...`` and priority ``P...``; empty if it has none."""
    bound = thresholds.get(f"T{metric}")
    if bound is None:
        return ""
    term = METRICS[metric]
    wish = f"{'at least' if term.better == 'higher' else 'at most'} {_number(bound, term.unit)}"
    priority = thresholds.get(f"P{metric}")
    return wish if priority is None else f"{wish} (priority {_number(priority)})"


def tell_census(census: Mapping[str, float] | None) -> str:
    """What the network is made of, a line each."""
    lines = [f"- {text}: {_number(census[name])}" for name, text in CENSUS.items() if census and name in census]
    return "\n".join(lines) or "Not counted."


def tell_history(history: Sequence[Attempt]) -> str:
    """The earlier iterations as JSON lines in a fence: a model wrote their summaries."""
    if not history:
        return "None."
    lines = (
        quoted(
            {
                "iteration": attempt.iteration,
                "instructions": list(attempt.instructions),
                "outcome": attempt.outcome,
                "metrics": {name: _short(value) for name, value in attempt.metrics.items()},
                "CM": _short(attempt.CM),
                "summary": attempt.summary[:MAX_SUMMARY_CHARACTERS],
            }
        )
        for attempt in history
    )
    return "One a line, the oldest first; CM is the combined metric.\n\n" + fenced("\n".join(lines), "json")


def tell_instructions(instructions: Sequence[Instruction], census: Mapping[str, float] | None) -> str:
    """The numbered instructions with their weights and reasons."""
    return (
        "\n".join(
            line
            for number, instruction in enumerate(instructions, start=1)
            for line in _instruction_lines(number, instruction, census or {})
        )
        or "None."
    )


def _instruction_lines(number: int, instruction: Instruction, census: Mapping[str, float]) -> Iterator[str]:
    line = f"{number}. `{instruction.id}`, weight {_number(instruction.weight)}: {instruction.text}"
    entry, direction = instruction.changes, instruction.direction
    if entry is not None and entry in CENSUS and direction is not None:
        now = f", now {_number(census[entry])}" if entry in census else ""
        line += f" ({direction}: {CENSUS[entry]}{now})"
    yield line
    for reason in instruction.because:
        yield f"   - because {' '.join(reason.split())}"


def _number(value: float, unit: str = "") -> str:
    shown = f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
    return f"{shown} {unit}" if unit else shown


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.4g}")
