"""How long the rules take: compiled and fired in Experta with the full trace, beside other engines."""

from __future__ import annotations

import argparse
import importlib.util
import math
import random
import statistics
import time
from collections.abc import Callable
from functools import partial
from typing import Any

from benchmarks.clips_rules import ClipsRules
from benchmarks.result import Result
from benchmarks.zen_rules import ZenRules
from lemonade_es.engine.expert.evaluator import evaluate
from lemonade_es.engine.expert.facts import Facts
from lemonade_es.engine.expert.inference import compile_rulebook
from lemonade_es.rules.lint import lint
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook
from lemonade_es.rules.rulebook import Rulebook
from lemonade_es.vocabulary import settings

ABOUT = (
    "The shipped rulebook and generated ones, compiled and fired with the full trace, beside the plain evaluator, "
    "CLIPS (through clipspy) and a decision table of ZEN (zen-engine), which fire the same rules with the same "
    "weights but keep no trace; interleaved rounds. *check* is what `rulebook check` looks for once the file is read."
)
METRICS = {"T_Acc": 0.7215, "V_Acc": 0.65, "F": 1468.0, "T_E": 1e-3, "V_E": 1e-6, "failed": 0.0, "nonfinite": 0.0}
COUNTS = (30, 300, 1000)


def milliseconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


def many_rules(count: int, seed: int = 0) -> Rulebook:
    """A rulebook of so many rules over two or three comparisons each."""
    rng = random.Random(seed)
    shipped = find_rulebook("lemonade").read_text(encoding="utf-8")
    head = shipped[: shipped.index("rules:\n")].replace("rulebook: lemonade", "rulebook: many")
    instructions = list(load_rulebook(find_rulebook("lemonade")).instructions)
    lines = []
    for number in range(count):
        atoms = [
            f"{rng.choice(['T_Acc', 'V_Acc'])} {rng.choice('<>')} {rng.random():.3f}",
            f"T_Acc - V_Acc {rng.choice('<>')} {rng.random() * 0.3:.3f}",
            f"F < {rng.randint(100, 20000)}",
            f"V_Acc < TV_Acc * {rng.random():.2f}",
        ]
        when = " and ".join(rng.sample(atoms, rng.choice([2, 3])))
        asked = ", ".join(rng.sample(instructions, 2))
        weight = rng.choice([0.25, 0.5, 1, 1.5])
        lines.append(f"  - {{id: r{number}, when: {when}, weight: {weight}, instruct: [{asked}], because: x}}\n")
    return parse_rulebook(f"{head}rules:\n{''.join(lines)}", "many.yaml")


def measure(options: argparse.Namespace) -> Result:
    """Interleaved rounds, so that a busy machine slows all contenders alike."""
    shipped = load_rulebook(find_rulebook("lemonade"))
    counts = COUNTS[:-1] if options.quick else COUNTS
    books = {"shipped": shipped, **{f"{count:,} rules": many_rules(count) for count in counts}}
    figures: dict[str, Any] = {}
    lines = [f"{'median, ms':22}" + "".join(f"{name:>12}" for name in books)]
    for name, book in books.items():
        rounds = 2 if options.quick else max(5, 1500 // max(len(book.rules), 30))
        figures[name] = {"rules": len(book.rules), **_timed(book, rounds)}
    for row in figures["shipped"]:
        if row != "rules":
            cells = "".join(f"{figures[name][row]['median_ms']:12.2f}" for name in books)
            lines.append(f"{row:22}{cells}")
    lines.append(f"the shipped book has {len(shipped.rules)} rules")
    lines += [f"{name} left out: {package} is not installed" for name, package in _missing()]
    return Result("inference", ABOUT, "python -m benchmarks inference", "\n".join(lines), figures)


def _timed(rulebook: Rulebook, rounds: int) -> dict[str, Any]:
    facts = Facts.of(METRICS, settings("accuracy", {}))
    compiled = compile_rulebook(rulebook)
    contenders: dict[str, Callable[[], object]] = {
        "compile (Experta)": lambda: compile_rulebook(rulebook),
        "infer (Experta)": lambda: compiled.infer(facts),
        "infer (plain)": lambda: evaluate(rulebook, facts),
        "check": lambda: lint(rulebook),
    }
    for name, peer in _peers().items():
        made = peer(rulebook)
        _same(name, made, rulebook, facts)
        contenders[f"compile ({name})"] = partial(peer, rulebook)
        contenders[f"infer ({name})"] = partial(made.infer, facts)
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, work in contenders.items():
            times[name].append(milliseconds(work))
    return {name: {"median_ms": statistics.median(found), "rounds": rounds} for name, found in times.items()}


def _peers() -> dict[str, Callable[[Rulebook], Any]]:
    known: dict[str, Callable[[Rulebook], Any]] = {"CLIPS": ClipsRules, "ZEN": ZenRules}
    return {name: peer for name, peer in known.items() if name not in dict(_missing())}


def _missing() -> list[tuple[str, str]]:
    packages = {"CLIPS": ("clips", "clipspy"), "ZEN": ("zen", "zen-engine")}
    return [(name, package) for name, (module, package) in packages.items() if importlib.util.find_spec(module) is None]


def _same(name: str, peer: Any, rulebook: Rulebook, facts: Facts) -> None:
    """Stop unless a peer fires the same rules with the same weights: another comparison would be worth nothing."""
    fired, weights = peer.infer(facts)
    ours = evaluate(rulebook, facts)
    same = weights.keys() == ours.weights.keys() and all(
        math.isclose(weight, ours.weights[instruction], rel_tol=1e-9) for instruction, weight in weights.items()
    )
    if fired != [firing.rule for firing in ours.fired] or not same:
        raise SystemExit(f"{name} says something else: {fired}, {weights}")
