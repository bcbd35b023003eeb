"""How long the rules take: compiled and fired in Experta with the full trace, beside the plain evaluator and CLIPS."""

from __future__ import annotations

import argparse
import importlib.util
import random
import statistics
import time
from collections.abc import Callable

from benchmarks.clips_rules import ClipsRules
from benchmarks.result import Result
from lemonade_es.engine.evaluator import evaluate
from lemonade_es.engine.facts import Facts
from lemonade_es.engine.inference import compile_rulebook
from lemonade_es.rules.lint import lint
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook
from lemonade_es.rules.rulebook import Rulebook
from lemonade_es.vocabulary import settings

ABOUT = (
    "The shipped rulebook, compiled and fired with its full trace, beside the plain evaluator and CLIPS (through "
    "clipspy), which fire the same rules with the same weights but keep no trace; interleaved rounds. Then 1,000 "
    "generated rules: compiled and fired once, and checked (`rulebook check`)."
)
METRICS = {"T_Acc": 0.72, "V_Acc": 0.65, "F": 1468.0, "T_E": 1e-3, "V_E": 1e-6, "failed": 0.0, "nonfinite": 0.0}
MANY = 1000


def milliseconds(work: Callable[[], object]) -> float:
    start = time.perf_counter()
    work()
    return 1000 * (time.perf_counter() - start)


def many_rules(seed: int = 0) -> Rulebook:
    """A rulebook of a thousand rules over two or three comparisons each."""
    rng = random.Random(seed)
    shipped = find_rulebook("lemonade").read_text(encoding="utf-8")
    head = shipped[: shipped.index("rules:\n")].replace("rulebook: lemonade", "rulebook: many")
    instructions = list(load_rulebook(find_rulebook("lemonade")).instructions)
    lines = []
    for number in range(MANY):
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
    rulebook = load_rulebook(find_rulebook("lemonade"))
    facts = Facts.of(METRICS, settings("accuracy", {}))
    compiled = compile_rulebook(rulebook)
    contenders: dict[str, Callable[[], object]] = {
        "compile (Experta)": lambda: compile_rulebook(rulebook),
        "infer (Experta)": lambda: compiled.infer(facts),
        "infer (plain evaluator)": lambda: evaluate(rulebook, facts),
    }
    if importlib.util.find_spec("clips") is not None:
        clips = ClipsRules(rulebook)
        _same(clips, rulebook, facts)
        contenders["compile (CLIPS)"] = lambda: ClipsRules(rulebook)
        contenders["infer (CLIPS)"] = lambda: clips.infer(facts)
    times: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(5 if options.quick else 50):
        for name, work in contenders.items():
            times[name].append(milliseconds(work))
    figures = {name: {"median_ms": statistics.median(found), "rounds": len(found)} for name, found in times.items()}
    many = many_rules()
    once = {
        f"{MANY:,} rules: compile and infer": lambda: compile_rulebook(many).infer(facts),
        f"{MANY:,} rules: check": lambda: lint(many),
    }
    for name, work in once.items():
        found = [milliseconds(work) for _ in range(1 if options.quick else 3)]
        figures[name] = {"median_ms": statistics.median(found), "rounds": len(found)}
    lines = [f"{name:30} {figure['median_ms']:9.2f} ms (median)" for name, figure in figures.items()]
    if "infer (CLIPS)" not in contenders:
        lines.append("CLIPS left out: clipspy is not installed (pip install clipspy)")
    text = "\n".join([f"{len(rulebook.rules)} rules", *lines])
    return Result("inference", ABOUT, "python -m benchmarks inference", text, figures)


def _same(clips: ClipsRules, rulebook: Rulebook, facts: Facts) -> None:
    """Stop unless CLIPS fires the same rules with the same weights: another comparison would be worth nothing."""
    fired, weights = clips.infer(facts)
    ours = evaluate(rulebook, facts)
    if fired != [firing.rule for firing in ours.fired] or weights != ours.weights:
        raise SystemExit(f"CLIPS says something else: {fired}, {weights}")
