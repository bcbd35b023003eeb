"""Why not: what stood in the way, and the smallest change that would have mattered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lemonade_es.errors import ConfigError
from lemonade_es.report.derivation import answer_text
from lemonade_es.rules.load import find_rulebook, load_rulebook
from tests.engine.reasons.conftest import CASE_1, HEAD, ask_why_not, book, flips


def atoms(answer):
    return [(node.text, node.truth) for node in answer.tree.walk() if node.kind == "atom"]


def test_a_rule_that_did_not_fire_names_the_failing_atom_and_the_distance():
    answer = ask_why_not("slow", {"F": 20000.0})
    assert answer.answer == "slow did not fire: F < TF fails: F = 20000 > TF = 14000, by 6000"
    (atom,) = answer.tree.children
    assert (atom.truth, atom.value, atom.threshold, atom.distance) == (False, 20000.0, 14000.0, 6000.0)
    assert 13300 <= flips(answer)["F"] < 14000
    assert 20000 < flips(answer)["TF"] <= 20300


def test_a_measured_number_is_told_with_the_digits_that_matter():
    answer = ask_why_not("slow", {"F": 20000.123456789})
    (told,) = (flip.text for flip in answer.flips if flip.name == "F")
    assert told.endswith(" instead of 20000")


def test_a_rule_whose_metric_is_missing_says_so():
    answer = ask_why_not("slow", {})
    assert answer.answer == "slow cannot be decided: F is unknown"
    assert answer.tree.truth is None
    (flip,) = answer.flips
    assert (flip.name, flip.old) == ("F", None)
    assert "would fire if F were measured, at " in flip.text


def test_a_threshold_that_is_not_set_may_be_set():
    answer = ask_why_not("r", {"P": 5e6}, rulebook=book("  - {id: r, when: P > TP, weight: 1, instruct: [ACL]}\n"))
    assert "TP is unknown: it is not set" in [node.text for node in answer.tree.walk()]
    assert flips(answer)["TP"] < 5e6


def test_all_of_a_conjunction_and_one_of_a_disjunction_must_change():
    rules = "  - {id: r, when: T_Acc > 0.9 and (V_Acc > 0.8 or failed or not (F < 100)), weight: 1, instruct: [ACL]}\n"
    answer = ask_why_not("r", {"T_Acc": 0.5, "V_Acc": 0.4, "failed": 0.0, "F": 50.0}, rulebook=book(rules))
    assert answer.answer == (
        "r did not fire: T_Acc > 0.9 fails: T_Acc = 0.5 < 0.9, by 0.4; none of 3 alternatives holds"
    )
    first, either = answer.tree.children
    assert (first.kind, either.kind) == ("atom", "any")
    assert [child.text for child in either.children] == [
        "V_Acc > 0.8 fails: V_Acc = 0.4 < 0.8, by 0.4",
        "failed does not hold",
        "not (F < 100) fails: F = 50 < 100, by 50",
    ]
    assert answer.flips == ()
    assert answer.note == "no change of a single metric or setting was found that would change this"


def test_what_holds_already_is_marked_as_holding():
    rules = "  - {id: r, when: T_Acc > 0.9 and V_Acc > 0.3, weight: 1, instruct: [ACL]}\n"
    assert [truth for _, truth in atoms(ask_why_not("r", {"T_Acc": 0.5, "V_Acc": 0.4}, rulebook=book(rules)))] == [
        False,
        True,
    ]


def test_a_conclusion_that_forbids_a_rule_is_followed_to_the_rules_that_drew_it():
    answer = ask_why_not("low-validation-accuracy", {"T_Acc": 0.98, "V_Acc": 0.7})
    assert answer.answer == "low-validation-accuracy did not fire: overfitting was concluded"
    assert ("not (T_Acc - V_Acc > OT) fails: T_Acc - V_Acc = 0.28 > OT = 0.1, by 0.18", False) in atoms(answer)
    found = flips(answer)
    assert set(found) == {"T_Acc", "V_Acc", "OT"}
    assert 0.79 < found["T_Acc"] <= 0.8
    assert 0.88 <= found["V_Acc"] <= 0.89  # above that it would be close to its goal
    assert 0.28 <= found["OT"] <= 0.29


def test_an_instruction_that_no_rule_gives():
    answer = ask_why_not("AWI", {}, rulebook=book("  - {id: r, when: failed, weight: 1, instruct: [ACL]}\n"))
    assert answer.answer == "AWI was not sent: no rule of small gives it"
    assert (answer.flips, answer.note) == ((), "")


def test_an_instruction_whose_rules_did_not_fire_lists_each():
    answer = ask_why_not("AD", CASE_1)
    assert answer.answer == "AD was not sent: none of the 4 rules that give it fired"
    (either,) = answer.tree.children
    givers = ["regularise-overfitting", "generalise", "one-change-at-a-time", "try-dropout"]
    assert [child.id for child in either.children] == givers
    assert 0.05 < flips(answer)["OT"] < 0.07


def test_an_instruction_without_weight_names_the_priority_that_is_0():
    answer = ask_why_not("RK", CASE_1)
    assert answer.answer == "RK was not sent: its weight is 0, because PF is 0; 5 other rules that give it did not fire"
    assert [child.truth is True for child in answer.tree.children] == [True, *[False] * 5]
    assert flips(answer)["PF"] == 0.001
    assert "F" not in flips(answer)  # it was measured, and is not the user's to choose


def test_an_instruction_that_a_rule_speaks_against_names_that_rule_and_no_priority_that_is_0():
    stuck = {"T_Acc": 0.93, "V_Acc": 0.92, "plateau": 4.0, "failed": 0.0, "nonfinite": 0.0}
    answer = ask_why_not("ASC", stuck)
    assert answer.answer.startswith(
        "ASC was not sent: its weight is -3.25, because one-change-at-a-time takes 4 from it"
    )
    own = book(
        "  - {id: low, when: T_Acc < 1, weight: PT_Acc, instruct: [ACL], because: low}\n"
        "  - {id: hold, when: T_Acc < 1, weight: -1, instruct: [ACL], because: hold}\n"
    )
    assert "because hold takes 1 from it" in ask_why_not("ACL", {"T_Acc": 0.5}, {"PT_Acc": 0.0}, own).answer
    heaviest = replace(own, combine="max")  # there it takes nothing
    assert "because PT_Acc is 0" in ask_why_not("ACL", {"T_Acc": 0.5}, {"PT_Acc": 0.0}, heaviest).answer


def test_a_weight_that_cannot_be_computed_is_told_from_one_of_0():
    answer = ask_why_not("ACL", {}, rulebook=book("  - {id: r, when: 1 > 0, weight: TP * 2, instruct: [ACL]}\n"))
    assert answer.answer == "ACL was not sent: r fired, but its weight is unknown (TP)"
    assert flips(answer)["TP"] > 0


def tree_lines(answer):
    return answer_text(answer).splitlines()


def test_a_rule_with_a_weight_that_cannot_be_computed_is_told_beside_one_that_weighs_0():
    rules = (
        "  - {id: slow, when: F < TF, weight: PF, instruct: [RCL]}\n"
        "  - {id: r1, when: P > 5, weight: PV_Acc / PS, instruct: [RCL]}\n"
    )
    answer = ask_why_not("RCL", {"F": 100.0, "P": 7.0}, rulebook=book(rules))
    assert answer.answer == (
        "RCL was not sent: its weight is 0, because PF is 0; "
        "r1 fired, but its weight is unknown (division by zero, PS is 0)"
    )
    assert [child.id for child in answer.tree.children] == ["slow", "r1"]
    assert "    └── weight PV_Acc / PS unknown: division by zero, PS is 0" in tree_lines(answer)
    assert set(flips(answer)) == {"PF", "PS"}


@pytest.mark.parametrize(
    ("weight", "why"),
    [
        ("1 / 0", "division by zero"),
        ("1 / (PV_Acc - WA)", "division by zero, PV_Acc - WA is 0"),
        ("1 / (2 / PF)", "division by zero, PF is 0"),
        ("1e300 * 1e300", "too large a number"),
    ],
)
def test_why_a_weight_cannot_be_computed(weight, why):
    rules = (
        "  - {id: other, when: F > 5, weight: TP, instruct: [ACL]}\n"
        f"  - {{id: r, when: 1 > 0, weight: {weight}, instruct: [ACL]}}\n"
        "  - {id: s, when: 1 > 0, weight: TP, instruct: [ACL]}\n"
    )
    answer = ask_why_not("ACL", {"F": 1.0}, rulebook=book(rules))
    assert answer.answer == f"ACL was not sent: r fired, but its weight is unknown ({why}), and so for 1 more"


@pytest.mark.parametrize("limit", ["", "max_instructions: 1\n"])
def test_a_weight_that_cannot_be_computed_is_told_of_what_is_too_light(limit):
    given, rival = ("AWI", "ACL") if limit else ("RCL", "ACL")
    rules = (
        f"  - {{id: a, when: 1 > 0, weight: 2, instruct: [{rival}]}}\n"
        f"  - {{id: b, when: 1 > 0, weight: 1, instruct: [{given}]}}\n"
        f"  - {{id: c, when: 1 > 0, weight: 1 / PS, instruct: [{given}]}}\n"
    )
    answer = ask_why_not(given, {}, rulebook=book(rules, HEAD.replace("instructions:", f"{limit}instructions:")))
    assert answer.answer.endswith("; c fired, but its weight is unknown (division by zero, PS is 0)")
    assert [child.id for child in answer.tree.children][:2] == ["b", "c"]


def test_a_comparison_that_cannot_be_computed_says_why():
    answer = ask_why_not("r", {"P": 7.0}, rulebook=book("  - {id: r, when: P / PS > 1, weight: 1, instruct: [ACL]}\n"))
    assert answer.answer == "r cannot be decided: P / PS > 1 is unknown"
    assert "└── ? P / PS > 1 is unknown: division by zero, PS is 0" in tree_lines(answer)


def test_a_lost_conflict_names_the_winner_the_margin_and_the_rules_of_both():
    answer = ask_why_not("RCL", CASE_1, {"PV_Acc": 0.7, "PF": 0.2})
    assert answer.answer == "RCL was not sent: it lost to ACL, 0.2 (slow) against 0.7 (low-validation-accuracy)"
    mine, conflict = answer.tree.children
    assert mine.id == "slow"
    assert (conflict.id, conflict.value, conflict.threshold) == ("ACL", 0.2, 0.7)
    assert [child.id for child in conflict.children] == ["low-training-accuracy", "low-validation-accuracy"]


def test_a_tie_is_told_as_a_tie():
    rules = (
        "  - {id: a, when: 1 > 0, weight: PV_Acc, instruct: [ACL]}\n"
        "  - {id: b, when: 1 > 0, weight: PF, instruct: [RCL]}\n"
    )
    answer = ask_why_not("RCL", {}, {"PV_Acc": 0.5, "PF": 0.5}, rulebook=book(rules))
    assert answer.answer.endswith("0.5 (b) against 0.5 (a), a tie that ACL wins, as the rulebook names ACL first")
    assert flips(answer) == {"PV_Acc": 0.499, "PF": 0.501}


def test_one_too_many_is_told_what_was_sent_instead():
    head = HEAD.replace("version: 1", "version: 1\nmax_instructions: 1")
    rules = (
        "  - {id: a, when: 1 > 0, weight: PV_Acc, instruct: [ACL]}\n"
        "  - {id: b, when: 1 > 0, weight: PF, instruct: [AWI]}\n"
    )
    answer = ask_why_not("AWI", {}, {"PV_Acc": 0.8, "PF": 0.3}, rulebook=book(rules, head))
    assert answer.answer == (
        "AWI was not sent: the rulebook sends 1 at most, and its weight 0.3 is not among the heaviest (ACL 0.8)"
    )
    limit = answer.tree.children[-1]
    assert (limit.kind, limit.value, limit.threshold) == ("limit", 0.3, 0.8)
    assert flips(answer) == {"PV_Acc": 0.29, "PF": 0.81}


def test_one_too_many_that_is_as_heavy_as_what_was_sent_is_told_what_decided():
    cautious = load_rulebook(find_rulebook("cautious"))
    answer = ask_why_not("AMK", {"T_Acc": 0.72, "V_Acc": 0.65}, {"PT_Acc": 1}, cautious)
    assert answer.answer == (
        "AMK was not sent: the rulebook sends 2 at most, and its weight 1 is that of ASC, a tie that ASC wins, as the "
        "rulebook names ASC first (ACL 1, ASC 1)"
    )


def test_one_too_many_in_a_tie_by_salience_is_told_who_spoke_more_urgently():
    head = HEAD.replace("version: 1", "version: 1\nmax_instructions: 1")
    rules = (
        "  - {id: a, when: 1 > 0, weight: 0.1, instruct: [ACL]}\n"
        "  - {id: b, when: 1 > 0, weight: 0.2, instruct: [ACL]}\n"
        "  - {id: c, when: 1 > 0, weight: 0.3, instruct: [AWI], salience: 1}\n"
    )
    answer = ask_why_not("ACL", {}, rulebook=book(rules, head))
    assert answer.answer.endswith(
        "its weight 0.3 is that of AWI, a tie that AWI wins, as c, which gives AWI, has the higher salience (AWI 0.3)"
    )


@pytest.mark.parametrize(("subject", "said"), [("ACL", "ACL was sent"), ("low-validation-accuracy", "fired")])
def test_what_did_come_about_points_to_why(subject, said):
    answer = ask_why_not(subject, CASE_1)
    assert said in answer.answer
    assert f"`--why {subject}`" in answer.answer
    assert answer.flips == ()


def test_a_conclusion_may_be_asked_about():
    answer = ask_why_not("overfitting", CASE_1)
    assert answer.kind == "rule"  # the rule comes before the conclusion of the same name
    answer = ask_why_not("close_to_goal", CASE_1)
    assert (answer.kind, answer.answer) == ("conclusion", "close_to_goal was not concluded: close-to-goal did not fire")
    assert flips(answer)["V_Acc"] > 0.89


def test_a_name_of_nothing_is_refused_with_the_nearest_one():
    with pytest.raises(ConfigError, match="did you mean regularise-overfitting"):
        ask_why_not("regularize-overfitting", CASE_1)
