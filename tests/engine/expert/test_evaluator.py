"""Two ways to the same inference: Experta's, and a plain loop."""

from __future__ import annotations

from hypothesis import HealthCheck, given
from hypothesis import settings as configure
from hypothesis import strategies as st

from lemonade_es.engine.expert.conflicts import resolve
from lemonade_es.engine.expert.evaluator import evaluate
from lemonade_es.engine.expert.facts import Facts
from lemonade_es.engine.expert.inference import compile_rulebook
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook
from lemonade_es.vocabulary import settings

METRICS = ("T_Acc", "V_Acc", "failed")
INSTRUCTIONS = ("ACL", "RCL", "AD", "RD", "AWI")
HEAD = """\
rulebook: generated
version: 1
combine: {}
instructions:
  ACL: {{text: a, conflicts_with: RCL}}
  RCL: {{text: b, conflicts_with: ACL}}
  AD: {{text: c, conflicts_with: RD}}
  RD: {{text: d, conflicts_with: AD}}
  AWI: {{text: e}}
rules:
"""

grid = st.sampled_from([0.0, 0.25, 0.5, 0.75, 1.0])
numbers = st.recursive(
    st.one_of(grid.map(str), st.sampled_from([*METRICS, "OT", "PV_Acc", "TP"])),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*/"), inner),
        st.builds("min({}, {})".format, inner, inner),
        st.builds("abs({})".format, inner),
    ),
    max_leaves=3,
)


def conditions(conclusions):
    atoms = [
        st.builds("{} {} {}".format, numbers, st.sampled_from(["<", "<=", ">", ">=", "==", "!="]), numbers),
        st.just("failed"),
    ]
    if conclusions:
        atoms.append(st.sampled_from(conclusions))
    return st.recursive(
        st.one_of(*atoms),
        lambda inner: st.one_of(
            st.builds("not ({})".format, inner),
            st.builds("({} and {})".format, inner, inner),
            st.builds("({} or {})".format, inner, inner),
        ),
        max_leaves=4,
    )


@st.composite
def rulebooks(draw):
    """Rules draw c0 to c3 and read only lower ones; some stand before the rules that draw what they read."""
    drawn = draw(st.lists(st.integers(0, 3), min_size=1, max_size=4).map(lambda levels: sorted({0, *levels})))
    rules = []
    for number in range(draw(st.integers(1, 7))):
        conclude = drawn[number] if number < len(drawn) else draw(st.sampled_from([None, *drawn]))
        below = [f"c{level}" for level in drawn[: number + 1] if conclude is None or level < conclude]
        below = [name for name in below if int(name[1:]) in drawn[:number]]
        lines = [f"  - id: r{number}", f"    when: {draw(conditions(below))}"]
        if conclude is not None:
            lines.append(f"    conclude: c{conclude}")
        if conclude is None or draw(st.booleans()):
            names = draw(st.lists(st.sampled_from(INSTRUCTIONS), min_size=1, max_size=3, unique=True))
            lines += [f"    weight: {draw(numbers)}", f"    instruct: [{', '.join(names)}]"]
        lines.append(f"    salience: {draw(st.integers(-1, 1))}")
        lines.append("    because: from {V_Acc:.2f}")
        rules.append("\n".join(lines))
    order = draw(st.permutations(rules))
    return HEAD.format(draw(st.sampled_from(["sum", "max"]))) + "\n".join(order) + "\n"


networks = st.fixed_dictionaries({name: st.one_of(st.none(), grid) for name in METRICS})


@configure(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rulebooks(), st.lists(networks, min_size=1, max_size=3))
def test_experta_and_the_plain_evaluator_agree_on_every_rulebook(text, measured):
    rulebook = parse_rulebook(text, "b.yaml")
    compiled = compile_rulebook(rulebook)
    for metrics in measured:
        facts = Facts.of(metrics, settings(None, {}))
        inferred = compiled.infer(facts)
        assert inferred == evaluate(rulebook, facts)
        assert list(inferred.weights) == list(evaluate(rulebook, facts).weights)
        assert {item.truth for item in inferred.not_fired} <= {False, None}
        kept = resolve(inferred, rulebook).instructions
        assert all(weight > 0 for weight in kept.values())
        assert not {"ACL", "RCL"} <= set(kept)


accuracies = st.one_of(st.none(), st.floats(0, 1))
amounts = st.one_of(st.none(), st.floats(0, 1e6))
flags = st.sampled_from([None, 0.0, 1.0])


@configure(max_examples=100, deadline=None)
@given(
    st.fixed_dictionaries(
        {"T_Acc": accuracies, "V_Acc": accuracies, "F": amounts, "T_E": amounts, "failed": flags, "nonfinite": flags}
    ),
    st.sampled_from([None, "accuracy", "balanced", "edge"]),
)
def test_they_agree_on_the_shipped_rulebook_whose_conclusions_exclude_growth_when_overfitting(metrics, preset):
    rulebook = _LEMONADE
    facts = Facts.of(metrics, settings(preset, {}))
    inference = _COMPILED.infer(facts)
    assert inference == evaluate(rulebook, facts)
    if inference.conclusions["overfitting"]:
        assert {"ACL", "ADL", "AMN", "AMK"} & set(resolve(inference, rulebook).instructions) == set()


_LEMONADE = load_rulebook(find_rulebook("lemonade"))
_COMPILED = compile_rulebook(_LEMONADE)
