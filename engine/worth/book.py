"""A rulebook with learned weights, as a text that a person can read: each weight with its evidence."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath

from lemonade_es.engine.expert.selftest import selftest
from lemonade_es.engine.worth.tuning import Learned, Tuning
from lemonade_es.rules.expression import Expression
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook, shipped
from lemonade_es.rules.rulebook import Rule, Rulebook
from lemonade_es.rules.template import quoted
from lemonade_es.wording import counted

_PLAIN = re.compile(r"[A-Za-z(][A-Za-z0-9_ ()<>=*/+.-]*")
_UNCHANGED = 1.0
_UNSAVED = ""
"""The name of a rulebook that is in no file yet: no other one has it."""


def tuned_rulebook(rulebook: Rulebook, tuning: Tuning) -> str:
    """The text of a rulebook that extends another one, and overrides the rules whose weights were learned.

    Tests of the extended rulebook that no longer hold with the new weights are left behind by name.

    Args:
        rulebook: the one that the weights were learned of.
        tuning: what was learned.
    """
    text = _text(rulebook, tuning)
    found = parse_rulebook(text, _UNSAVED, rulebook.sources)
    broken = [result.name for result in selftest(found) if not result.passed]
    return _text(rulebook, tuning, dropped=broken) if broken else text


def scaled(weight: Expression, factor: float) -> str:
    """A weight's expression times a factor; a number that stands in it takes the factor in."""
    match weight.tree:
        case ast.Constant(value=int() | float() as value):
            return _number(value * factor)
        case ast.BinOp(
            left=ast.Name() | ast.Call() as other, op=ast.Mult(), right=ast.Constant(value=int() | float() as value)
        ):
            return f"{ast.unparse(other)} * {_number(value * factor)}"
        case ast.BinOp(
            left=ast.Constant(value=int() | float() as value), op=ast.Mult(), right=ast.Name() | ast.Call() as other
        ):
            return f"{ast.unparse(other)} * {_number(value * factor)}"
        case ast.Name() | ast.Call():
            return f"{weight.source} * {_number(factor)}"
        case _:
            return f"({weight.source}) * {_number(factor)}"


def _text(rulebook: Rulebook, tuning: Tuning, dropped: Sequence[str] = ()) -> str:
    return "\n".join(_lines(rulebook, tuning, dropped)) + "\n"


def _lines(rulebook: Rulebook, tuning: Tuning, dropped: Sequence[str]) -> Iterator[str]:
    changed = {row.rule: row for row in tuning.rules if row.factor != _UNCHANGED}
    steps, runs = counted(tuning.steps, "step"), counted(tuning.runs, "recorded run")
    yield f"# {rulebook.name}, with weights learned from {steps} of {runs}."
    yield "#"
    yield "# A step's gain is the rise of CM from the network edited to the edited one; one standard deviation of"
    yield f"# the gains is {tuning.spread:.3g}. A rule's effect is what carrying its advice out adds to it, in standard"
    yield "# deviations: it begins at the weight in the book and moves as far as the steps say. In brackets: where it"
    yield "# is with 95 %. Rules choose the situations in which they fire, so this is evidence and no proof: try the"
    yield "# weights on seeds of their own."
    if tuning.failures:
        failed = counted(tuning.failures, "step")
        yield f"# {failed} led to a network that could not be trained, and count as the worst gain."
    if tuning.pruned:
        pruned = counted(tuning.pruned, "step")
        yield f"# {pruned} led to a network whose training was stopped as hopeless, and count as the mean of those that"
        yield "# ended no better than it could have."
    kept = [row for row in tuning.rules if row.rule not in changed]
    if kept:
        yield f"# As they were, after {_evidence(kept)}."
    yield ""
    yield f"rulebook: {quoted(f'{rulebook.name}-tuned')}"
    yield "version: 1"
    yield f"about: {rulebook.name} with weights learned from {steps} of {runs}."
    yield f"extends: {quoted(_base(rulebook))}"
    if dropped:
        yield ""
        yield "# They promise the old weights."
        yield "drop_tests:"
        yield from (f"  - {quoted(name)}" for name in dropped)
    if changed:
        yield ""
        yield "rules:"
    for rule in rulebook.rules:
        if rule.id in changed:
            yield from _rule(rule, changed[rule.id])


def _base(rulebook: Rulebook) -> str:
    """What to extend: a shipped rulebook by its name, another one by that of its file, beside the new one."""
    own = rulebook.sources[0]
    name = PurePath(own.file).stem
    if name in shipped() and own.text == load_rulebook(find_rulebook(name)).sources[0].text:
        return name
    return PurePath(own.file).name


def _rule(rule: Rule, learned: Learned) -> Iterator[str]:
    assert rule.weight is not None  # noqa: S101  (a rule without a weight advises nothing that could be carried out)
    steps = counted(learned.steps, "step")
    yield f"  # {steps}: effect {learned.effect:.2f} [{learned.low:.2f}, {learned.high:.2f}], was {learned.net:.3g};"
    if learned.net != learned.weight:
        yield f"  # that is what rules against it leave of {learned.weight:.3g}, and what changes;"
    yield f"  # weight x {learned.factor:g}, was {' '.join(rule.weight.source.split())}"
    yield f"  - id: {quoted(rule.id)}"
    yield f"    when: {_scalar(rule.when.source)}"
    yield f"    weight: {_scalar(scaled(rule.weight, learned.factor))}"
    yield f"    instruct: [{', '.join(map(quoted, rule.instruct))}]"
    if rule.conclude is not None:
        yield f"    conclude: {quoted(rule.conclude)}"
    if rule.because:
        yield f"    because: {json.dumps(rule.because, ensure_ascii=False)}"
    if rule.salience:
        yield f"    salience: {rule.salience}"
    yield ""


def _scalar(text: str) -> str:
    if text.isidentifier():  # a conclusion may be called `null`
        return quoted(text)
    return text if _PLAIN.fullmatch(text) or text.replace(".", "").isdigit() else json.dumps(text, ensure_ascii=False)


def _evidence(rows: list[Learned]) -> str:
    return ", ".join(f"{counted(row.steps, 'step')} of {row.rule}" for row in rows)


def _number(value: float) -> str:
    return f"{float(f'{value:.3g}' if abs(value) < 10 else f'{value:.2f}'):g}"
