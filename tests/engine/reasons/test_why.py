"""Why: from an instruction or a rule down to what was measured and set."""

from __future__ import annotations

import json

import pytest

from lemonade_es.engine.history.events import Measured
from lemonade_es.engine.history.journal import Entry
from lemonade_es.engine.reasons.answer import absences
from lemonade_es.engine.reasons.why import why
from lemonade_es.engine.reasons.whynot import why_not
from lemonade_es.errors import ConfigError, StoreError
from lemonade_es.rules.load import parse_rulebook
from lemonade_es.trainer.measurement import Measurement
from tests.engine.reasons.conftest import CASE_1, LEMONADE, advised

HEAD = """\
rulebook: small
version: 1
instructions:
  ACL: {text: Add, conflicts_with: RCL}
  RCL: {text: Reduce, conflicts_with: ACL}
rules:
"""


def ask(subject, metrics, wishes=None, rulebook=LEMONADE, absent=None):
    return why(advised(metrics, wishes, rulebook), rulebook, subject, absent)


def nodes(tree, kind):
    return [node for node in tree.walk() if node.kind == kind]


def test_an_instruction_goes_back_to_its_rules_their_atoms_and_the_numbers_in_them():
    answer = ask("ACL", CASE_1, {"PV_Acc": 0.7, "PF": 0.2})
    assert answer.answer == (
        "ACL was sent with weight 0.7, from low-training-accuracy (0) + low-validation-accuracy (0.7); "
        "it beat RCL (0.2) by 0.5"
    )
    first, second, conflict = answer.tree.children
    assert (first.id, first.value) == ("low-training-accuracy", 0.0)
    assert "training accuracy 72.0% is below 99.0%" in first.text
    assert first.place.startswith("lemonade.yaml:")
    atom, weight = first.children
    assert atom.text == "T_Acc = 0.72 < TT_Acc = 0.99, by 0.27"
    assert (atom.value, atom.threshold, atom.distance) == (0.72, 0.99, 0.72 - 0.99)
    assert [(leaf.kind, leaf.id, leaf.value) for leaf in atom.children] == [
        ("metric", "T_Acc", 0.72),
        ("setting", "TT_Acc", 0.99),
    ]
    assert (weight.kind, weight.id, weight.value) == ("weight", "PT_Acc", 0.0)
    assert (second.id, second.value) == ("low-validation-accuracy", 0.7)
    assert (conflict.id, conflict.value, conflict.threshold) == ("RCL", 0.7, 0.2)
    assert conflict.distance == pytest.approx(0.5)


def test_a_conflict_that_a_tie_decided_is_told_as_one():
    rules = (
        "  - {id: a, when: 1 > 0, weight: 0.5, instruct: [ACL]}\n"
        "  - {id: b, when: 1 > 0, weight: 0.5, instruct: [RCL], salience: 2}\n"
    )
    answer = ask("RCL", {}, rulebook=parse_rulebook(HEAD + rules, "b.yaml"))
    tie = "a tie that RCL wins, as b, which gives RCL, has the higher salience"
    assert answer.answer == f"RCL was sent with weight 0.5, from b; it beat ACL (0.5), {tie}"
    (conflict,) = nodes(answer.tree, "conflict")
    assert (conflict.text, conflict.distance) == (f"beat ACL (0.5, a), {tie}", 0.0)


def test_a_conclusion_that_does_not_hold_is_derived_from_the_rule_that_did_not_fire():
    tree = ask("low-validation-accuracy", CASE_1).tree
    absent = next(node for node in nodes(tree, "conclusion") if node.id == "overfitting")
    assert (absent.wanted, absent.truth, absent.text) == (False, True, "overfitting was not concluded")
    (rule,) = absent.children
    assert (rule.id, rule.wanted, rule.truth, rule.text) == ("overfitting", False, True, "overfitting did not fire")
    (atom,) = rule.children
    assert atom.text == "not (T_Acc - V_Acc > OT) holds: T_Acc - V_Acc = 0.07 < OT = 0.1, by 0.03"
    assert {leaf.id for leaf in atom.children} == {"T_Acc", "V_Acc", "OT"}


def test_a_conclusion_that_holds_is_derived_from_the_rules_that_drew_it():
    tree = ask("AD", {"T_Acc": 0.99, "V_Acc": 0.7}).tree
    (overfitting,) = [node for node in nodes(tree, "conclusion") if node.id == "overfitting"]
    assert [child.id for child in overfitting.children] == ["overfitting"]
    assert "T_Acc - V_Acc = 0.29 > OT = 0.1, by 0.19" in {node.text for node in nodes(tree, "atom")}


def test_what_is_explained_once_is_referred_to_from_then_on():
    rules = ["  - {id: draws, when: T_Acc > 0.5, conclude: learns}\n"]
    rules += [f"  - {{id: {name}, when: learns, weight: 1, instruct: [ACL]}}\n" for name in ("one", "two")]
    book = parse_rulebook(HEAD + "".join(rules), "b.yaml")
    first, second = nodes(ask("ACL", {"T_Acc": 0.62}, rulebook=book).tree, "conclusion")
    assert (first.id, first.repeated, [child.id for child in first.children]) == ("learns", False, ["draws"])
    assert (second.id, second.repeated, second.children) == ("learns", True, ())
    assert second.text.endswith("(see above)")


def test_a_long_chain_of_conclusions_ends_somewhere():
    rules = ["  - {id: r0, when: T_Acc > 0, conclude: c0}\n"]
    rules += [f"  - {{id: r{n}, when: c{n - 1}, conclude: c{n}}}\n" for n in range(1, 150)]
    book = parse_rulebook(HEAD + "".join(rules) + "  - {id: end, when: c149, weight: 1, instruct: [ACL]}\n", "b.yaml")
    answer = ask("ACL", {"T_Acc": 0.5}, rulebook=book)
    last = list(answer.tree.walk())[-2]
    assert last.text.endswith("(not followed further)")


def test_an_alternative_that_holds_is_told_without_those_that_do_not():
    rule = "  - {id: r, when: V_Acc < 0.5 or T_Acc < 0.5 and not failed, weight: 1, instruct: [ACL]}\n"
    book = parse_rulebook(HEAD + rule, "b.yaml")
    tree = ask("r", {"V_Acc": 0.9, "T_Acc": 0.3, "failed": 0.0}, rulebook=book).tree
    assert [node.text for node in nodes(tree, "atom")] == ["T_Acc = 0.3 < 0.5, by 0.2", "not failed"]
    assert not nodes(tree, "any")


def test_the_heaviest_rule_counts_where_weights_are_not_added():
    rules = (
        "  - {id: a, when: 1 > 0, weight: 1, instruct: [ACL]}\n  - {id: b, when: 1 > 0, weight: 3, instruct: [ACL]}\n"
    )
    book = parse_rulebook(HEAD.replace("version: 1", "version: 1\ncombine: max") + rules, "b.yaml")
    answer = ask("ACL", {}, rulebook=book)
    assert answer.answer == "ACL was sent with weight 3, from the largest of a (1), b (3)"


def test_who_takes_away_is_not_behind_a_weight_where_the_heaviest_counts():
    rules = (
        "  - {id: a, when: 1 > 0, weight: 3, instruct: [ACL]}\n  - {id: b, when: 1 > 0, weight: 2, instruct: [RCL]}\n"
        "  - {id: c, when: 1 > 0, weight: -1, instruct: [ACL, RCL]}\n"
    )
    book = parse_rulebook(HEAD.replace("version: 1", "version: 1\ncombine: max") + rules, "b.yaml")
    (conflict,) = nodes(ask("ACL", {}, rulebook=book).tree, "conflict")
    assert conflict.text == "beat RCL (2, b) by 1"
    assert ask("RCL", {}, rulebook=book).answer == "RCL was not sent: it lost to ACL, 2 (b) against 3 (a)"


def test_the_heaviest_counts_even_where_the_numbers_would_add_up_to_it():
    given = {"a": (3, "ACL"), "b": (1, "ACL"), "c": (-1, "ACL"), "d": (2, "RCL"), "e": (1, "RCL"), "f": (-1, "RCL")}
    rules = "".join(
        f"  - {{id: {name}, when: 1 > 0, weight: {weight}, instruct: [{target}]}}\n"
        for name, (weight, target) in given.items()
    )
    book = parse_rulebook(HEAD.replace("version: 1", "version: 1\ncombine: max") + rules, "b.yaml")
    (conflict,) = nodes(ask("ACL", {}, rulebook=book).tree, "conflict")
    assert conflict.text == "beat RCL (2, d, e) by 1"
    assert ask("RCL", {}, rulebook=book).answer == "RCL was not sent: it lost to ACL, 2 (d, e) against 3 (a, b)"


@pytest.mark.parametrize("subject", ["RCL", "overfitting", "underfitting"])
def test_what_did_not_come_about_is_answered_as_why_not_would(subject):
    decision = advised(CASE_1)
    answer = why(decision, LEMONADE, subject)
    assert answer.answer == why_not(decision, LEMONADE, subject).answer
    assert "--why-not" in answer.note


def test_of_what_no_rule_gives_there_is_nothing_that_why_not_could_add():
    answer = ask("ACL", {}, rulebook=parse_rulebook(HEAD + "  - {id: a, when: F > 1, conclude: fast}\n", "b.yaml"))
    assert (answer.answer, answer.note) == ("ACL was not sent: no rule of small gives it", "")


def test_a_conclusion_may_be_asked_about_by_its_name():
    answer = ask("close_to_goal", {"T_Acc": 0.95, "V_Acc": 0.95})
    assert (answer.kind, answer.answer) == ("conclusion", "close_to_goal was concluded by close-to-goal")


def test_a_name_of_nothing_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigError, match="did you mean low-training-accuracy"):
        ask("low-trainig-accuracy", CASE_1)
    with pytest.raises(ConfigError, match="did you mean ACL"):
        ask("acl", CASE_1)


def test_a_decision_of_another_rulebook_is_refused():
    other = parse_rulebook(HEAD + "  - {id: r, when: failed, weight: 1, instruct: [ACL]}\n", "b.yaml")
    with pytest.raises(StoreError, match="another rulebook than this small"):
        why(advised(CASE_1), other, "ACL")


def test_the_reason_of_a_missing_metric_comes_from_its_measurement():
    decision = advised({"T_Acc": 0.5})
    measurement = Measurement({"T_Acc": 0.5, "V_E": None}, {"V_E": "there is no meter"})
    entries = [
        Entry("r", 0, "", Measured(1, measurement, None)),
        Entry("r", 1, "", Measured(2, Measurement({}, {"V_E": "of another network"}), None)),
    ]
    answer = why(decision, LEMONADE, "validation-energy", absences(entries, decision))
    (unknown,) = nodes(answer.tree, "unknown")
    assert unknown.text == "V_E is unknown: there is no meter"


def test_an_answer_is_json_with_the_documented_names():
    data = json.loads(json.dumps(ask("ACL", CASE_1).to_json()))
    assert list(data) == ["question", "subject", "kind", "answer", "tree", "flips", "note"]
    assert (data["question"], data["subject"], data["kind"]) == ("why", "ACL", "instruction")
    names = {"kind", "id", "text", "place", "truth", "value", "threshold", "distance", "children"}
    assert names <= set(data["tree"]["children"][0]["children"][0])
