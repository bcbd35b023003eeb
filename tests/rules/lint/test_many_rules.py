"""The linter on hundreds of rules: grouped, checked, and done in time."""

from __future__ import annotations

import random
import time
from collections import Counter

import pytest

from lemonade_es.engine.expert.conflicts import resolve
from lemonade_es.engine.expert.evaluator import evaluate
from lemonade_es.engine.expert.facts import Facts
from lemonade_es.rules.lint import lint
from lemonade_es.rules.load import parse_rulebook
from lemonade_es.vocabulary import METRICS, settings

PAIRS = (("ACL", "RCL"), ("ASC", "RSC"), ("ADL", "RDL"), ("AMK", "RK"), ("AMN", "RN"), ("AR", "RR"), ("AD", "RD"))
RANGES = {"F": (100, 50_000), "T_E": (1e-4, 1e-1), "V_E": (1e-6, 1e-4), "P": (1e4, 1e7), "V_Acc": (0.01, 1)}


def generated(count, seed=0):
    """Rules over conclusions, gaps between accuracies, and thresholds that are all different."""
    draw = random.Random(seed)
    lines = ["rulebook: big", "version: 1", "instructions:"]
    for one, other in PAIRS:
        lines += [f"  {one}: {{text: a, conflicts_with: {other}}}", f"  {other}: {{text: b, conflicts_with: {one}}}"]
    lines.append("rules:")
    conclusions = [f"c{number}" for number in range(count // 20)]
    for name in conclusions:
        when = f"T_Acc - V_Acc > {draw.uniform(0, 0.5):.2f} and F < {draw.uniform(100, 50_000):.0f}"
        lines.append(f"  - {{id: draw-{name}, when: '{when}', conclude: {name}, because: a}}")
    for number in range(count - len(conclusions)):
        joined = draw.choice([" and ", " and ", " or "]).join(
            atom(draw, conclusions) for _ in range(draw.randint(1, 3))
        )
        names = ", ".join(draw.sample([name for pair in PAIRS for name in pair], draw.randint(1, 3)))
        weight = f"PV_Acc * {draw.randint(1, 20) * 0.05:.2f}"
        lines.append(f"  - {{id: r{number}, when: '{joined}', weight: {weight}, instruct: [{names}], because: a}}")
    return parse_rulebook("\n".join(lines) + "\n", "big.yaml")


def atom(draw, conclusions):
    kind = draw.random()
    if kind < 0.15:
        return draw.choice(["", "not "]) + draw.choice(conclusions)
    if kind < 0.3:
        return f"T_Acc - V_Acc {draw.choice('<>')} {draw.uniform(0, 0.5):.2f}"
    name = draw.choice(list(RANGES))
    low, high = RANGES[name]
    return f"{name} {draw.choice(['<', '<=', '>', '>='])} {low * (high / low) ** draw.random():.3g}"


@pytest.mark.parametrize("seed", [1, 2])
def test_every_witness_does_what_its_finding_says_in_the_engine(seed):
    rulebook = generated(120, seed)
    wishes = settings(None, {})
    seen = Counter()
    for item in lint(rulebook):
        if item.witness is None:
            continue
        seen[item.code] += 1
        assert set(item.witness) <= set(METRICS)
        inference = evaluate(rulebook, Facts.of(item.witness, wishes))
        fired = {firing.rule for firing in inference.fired}
        resolution = resolve(inference, rulebook)
        if item.code == "DOUBLE_COUNT":
            assert set(item.rules) <= fired
        if item.code == "PARTNER_OVERLAP":
            assert set(item.rules[:2]) <= fired
        if item.code == "WEIGHT_TIE":
            assert set(item.rules) <= fired
            assert any(abs(decision.margin) < 1e-9 for decision in resolution.decisions)
        if item.code == "GAP":
            assert resolution.instructions == {}
        if item.code == "DEAD_RULE":
            instructed = next(rule.instruct for rule in rulebook.rules if rule.id == item.rules[0])
            assert item.rules[0] in fired
            assert not set(instructed) & set(resolution.instructions)
    assert seen["DOUBLE_COUNT"] > 10
    assert seen["PARTNER_OVERLAP"] == len(PAIRS)


def test_findings_are_grouped():
    findings = lint(generated(300))
    doubled = Counter(item.rules[0] for item in findings if item.code == "DOUBLE_COUNT")
    assert set(doubled.values()) == {1}
    for code in ("PARTNER_OVERLAP", "WEIGHT_TIE"):
        assert max(Counter(item.place for item in findings if item.code == code).values()) == 1
    assert sum(item.code == "GAP" for item in findings) <= 4


@pytest.mark.slow
def test_a_thousand_rules_take_seconds_not_minutes():
    rulebook = generated(1000)
    start = time.process_time()
    lint(rulebook)
    assert time.process_time() - start < 10
