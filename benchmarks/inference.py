"""How long the rules take: the shipped rulebook compiled and fired in Experta, beside the plain evaluator."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

from benchmarks.result import Result
from lemonade_es.engine.evaluator import evaluate
from lemonade_es.engine.facts import Facts
from lemonade_es.engine.inference import compile_rulebook
from lemonade_es.rules.load import find_rulebook, load_rulebook
from lemonade_es.vocabulary import settings

ABOUT = "The shipped rulebook, compiled and fired with its full trace, beside the plain evaluator; interleaved rounds."
METRICS = {"T_Acc": 0.72, "V_Acc": 0.65, "F": 1468.0, "T_E": 1e-3, "V_E": 1e-6, "failed": 0.0, "nonfinite": 0.0}


def milliseconds(work: Callable[[], object], rounds: int) -> list[float]:
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        work()
        times.append(1000 * (time.perf_counter() - start))
    return times


def measure(options: argparse.Namespace) -> Result:
    """Interleaved rounds, so that a busy machine slows all contenders alike."""
    rulebook = load_rulebook(find_rulebook("lemonade"))
    facts = Facts.of(METRICS, settings("accuracy", {}))
    compiled = compile_rulebook(rulebook)
    contenders: dict[str, Callable[[], object]] = {
        "compile": lambda: compile_rulebook(rulebook),
        "infer (Experta)": lambda: compiled.infer(facts),
        "infer (plain evaluator)": lambda: evaluate(rulebook, facts),
    }
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(5 if options.quick else 50):
        for name, work in contenders.items():
            times[name] += milliseconds(work, 1)
    figures = {name: {"median_ms": statistics.median(found), "rounds": len(found)} for name, found in times.items()}
    lines = [f"{name:26} {figure['median_ms']:8.2f} ms (median)" for name, figure in figures.items()]
    text = "\n".join([f"{len(rulebook.rules)} rules", *lines])
    return Result("inference", ABOUT, "python -m benchmarks inference", text, figures)
