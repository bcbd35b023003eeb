"""The smallest change of a single number that would have mattered."""

from __future__ import annotations

import json

import pytest

from lemonade_es.engine.expert.facts import Facts
from lemonade_es.engine.metric import normalised
from lemonade_es.engine.reasons.flip import changed
from lemonade_es.engine.suppositions.whatif import suppose, supposed_facts
from lemonade_es.vocabulary import NORMALISED, settings
from tests.engine.reasons.conftest import CASE_1, HEAD, ask_why_not, book, flips


def test_a_lost_conflict_would_be_won_with_one_other_priority_or_threshold():
    answer = ask_why_not("RCL", CASE_1, {"PV_Acc": 0.7, "PF": 0.2})
    settled = {"OT": 0.069, "TV_Acc": 0.74, "TT_Acc": 0.72, "PV_Acc": 0.19, "PF": 0.71}
    measured = {"T_Acc": 0.751, "V_Acc": 0.619, "failed": 1.0, "nonfinite": 1.0}
    assert flips(answer) == settled | measured
    assert [flip.size for flip in answer.flips] == sorted(flip.size for flip in answer.flips)
    (at,) = (number for number, flip in enumerate(answer.flips) if flip.name == "PF")
    data = json.loads(json.dumps(answer.to_json()))["flips"][at]
    assert data == {
        "setting": "PF",
        "kind": "priority",
        "from": 0.2,
        "to": 0.71,
        "text": "RCL would be sent, with weight 0.71, if PF were 0.71 instead of 0.2",
    }


WEIGHED = """\
  - {id: against, when: 1 > 0, weight: AGAINST, instruct: [RCL]}
  - {id: accuracy, when: 1 > 0, weight: 1 - V_Acc, instruct: [ACL]}
"""


@pytest.mark.parametrize(
    ("rules", "limit", "subject", "metric"),
    [
        (WEIGHED.replace("AGAINST", "0.5"), "", "RCL", {"V_Acc": 0.501}),  # beaten by its partner
        (
            WEIGHED.replace("RCL", "AWI").replace("AGAINST", "0.5"),
            "max_instructions: 1\n",
            "AWI",
            {"V_Acc": 0.501},
        ),
        ("  - {id: r, when: 1 > 0, weight: V_Acc - 0.5, instruct: [ACL]}\n", "", "ACL", {"V_Acc": 0.501}),  # no weight
    ],
)
def test_a_measurement_that_would_turn_a_weighing_round_is_named(rules, limit, subject, metric):
    rulebook = book(rules, HEAD.replace("instructions:", f"{limit}instructions:"))
    answer = ask_why_not(subject, {"V_Acc": 0.4}, rulebook=rulebook)
    assert flips(answer) == metric
    assert answer.note == ""


def test_no_single_number_may_help_and_the_answer_says_so():
    rules = (
        "  - {id: a, when: 1 > 0, weight: 2, instruct: [ACL]}\n  - {id: b, when: 1 > 0, weight: 1, instruct: [RCL]}\n"
    )
    answer = ask_why_not("RCL", {}, rulebook=book(rules))
    assert answer.flips == ()
    assert answer.note == "no change of a single metric or setting was found that would change this"


def test_weights_that_bend_are_followed_too():
    rules = (
        "  - {id: a, when: 1 > 0, weight: PV_Acc * PV_Acc / (1 + PV_Acc), instruct: [ACL]}\n"
        "  - {id: b, when: 1 > 0, weight: 'min(PF, 0.9)', instruct: [RCL]}\n"
    )
    answer = ask_why_not("RCL", {}, {"PV_Acc": 2.0, "PF": 0.5}, rulebook=book(rules))
    assert flips(answer) == {"PV_Acc": 0.99}  # at 1 it is a tie, which ACL wins; PF counts to 0.9 only


def test_a_change_to_beside_a_division_by_0_is_found():
    rules = "  - {id: a, when: 1 / (V_Acc - 0.5) > 1000, weight: 1, instruct: [ACL]}\n"
    found = flips(ask_why_not("a", {"V_Acc": 0.9}, rulebook=book(rules)))
    assert 0.5 < found["V_Acc"] < 0.501


def test_a_flag_flips_to_0_or_1_and_a_count_to_a_whole_number():
    rules = (
        "  - {id: a, when: failed, weight: 1, instruct: [ACL]}\n"
        "  - {id: b, when: plateau > 3, weight: 1, instruct: [AWI]}\n"
    )
    metrics = {"failed": 0.0, "plateau": 1.0}
    assert flips(ask_why_not("a", metrics, rulebook=book(rules))) == {"failed": 1.0}
    assert flips(ask_why_not("b", metrics, rulebook=book(rules))) == {"plateau": 4.0}


@pytest.mark.parametrize(
    ("when", "plateau", "expected"),
    [
        ("max(plateau / 3, V_Acc) == 0.8", 1.0, {"V_Acc": 0.8}),  # plateau would have to be 2.4
        ("plateau * 2 >= 5 and plateau * 2 <= 6", 1.0, {"plateau": 3.0}),
        ("plateau * 2 >= 5 and plateau * 2 <= 6", 9.0, {"plateau": 3.0}),
        ("plateau * 2 >= 5 and plateau * 2 <= 5", 1.0, {}),
        ("plateau * 2 > 5 and plateau < 3 or plateau > 6.5", 1.0, {"plateau": 7.0}),
        ("plateau * 2 > 5 and plateau < 3 or plateau < 1.5", None, {"plateau": 1.0}),
    ],
)
def test_a_count_is_only_ever_proposed_as_a_whole_number(when, plateau, expected):
    rules = f"  - {{id: a, when: '{when}', weight: 1, instruct: [ACL]}}\n"
    metrics = {"V_Acc": 0.5} if plateau is None else {"V_Acc": 0.5, "plateau": plateau}
    assert flips(ask_why_not("a", metrics, rulebook=book(rules))) == expected


def test_where_two_weights_begin_to_be_equal_is_found_though_they_stay_so():
    rules = (
        "  - {id: own, when: T_Acc < 2, weight: 0.2, instruct: [ACL]}\n"
        "  - {id: both, when: T_Acc < 2, weight: PP * 0.4, instruct: [ACL, RCL]}\n"
        "  - {id: other, when: T_Acc < 2, weight: 0.5, instruct: [RCL]}\n"
    )
    range_ = "priorities:\n  PP: {default: 0.5, range: [0, 2]}\n"
    head = HEAD.replace("version: 1\n", "version: 1\ncombine: max\n").replace("rules:", f"{range_}rules:")
    answer = ask_why_not("ACL", {"T_Acc": 0.5}, rulebook=book(rules, head))
    assert flips(answer) == {"PP": pytest.approx(1.25, abs=0.01)}  # from there on, both rules give 0.5


@pytest.mark.parametrize(
    ("limit", "weights", "lowest", "highest"),
    [
        ("", "{ACL: PV_Acc - 0.4, RCL: PV_Acc * 2 - 1}", 0.4, 0.6),
        ("max_instructions: 1\n", "{ACL: PV_Acc + 0.6, RCL: PV_Acc * 2, AWI: 1}", 0.4, 0.6),
        ("", "{ACL: PV_Acc - 400, RCL: PV_Acc * 2 - 1000}", 400.0, 600.0),
    ],
)
def test_a_change_that_is_not_to_be_too_large_either_is_found_where_a_setting_has_no_end(
    limit, weights, lowest, highest
):
    rules = "".join(
        f'  - {{id: {name}-rule, when: V_Acc < 0.9, weight: "{weight}", instruct: [{name}]}}\n'
        for name, weight in (pair.split(": ") for pair in weights.strip("{}").split(", "))
    )
    answer = ask_why_not(
        "ACL", {"V_Acc": 0.5}, {"PV_Acc": 0.2}, book(rules, HEAD.replace("rules:\n", limit + "rules:\n"))
    )
    assert lowest <= flips(answer)["PV_Acc"] <= lowest + (highest - lowest) * 0.2


def test_a_setting_stays_within_the_range_that_the_rulebook_gives_it():
    rules = "  - {id: r, when: T_Acc - V_Acc > OT, weight: 1, instruct: [ACL]}\n"
    metrics = {"T_Acc": 0.72, "V_Acc": 0.65}
    assert "OT" in flips(ask_why_not("r", metrics, rulebook=book(rules)))
    ranges = "thresholds:\n  OT: {default: 0.1, range: [0.08, 0.2]}\n"
    assert "OT" not in flips(ask_why_not("r", metrics, rulebook=book(rules, HEAD.replace("rules:", f"{ranges}rules:"))))


def test_what_is_derived_from_a_changed_number_changes_with_it():
    known = {"F": 7000.0, "TF": 14000.0}
    facts = Facts.of({"F": 7000.0, "NF": 1 / 3}, settings(None, {}))
    assert changed(facts, "TF", 7000.0)["NF"] == pytest.approx(0.5)
    assert set(NORMALISED) == set(normalised({}, {}))
    for name, (raw, threshold) in NORMALISED.items():
        assert normalised({raw: 1.0}, {threshold: 3.0})[name] == 0.25
    rules = "  - {id: r, when: NF > 0.5, weight: 1, instruct: [ACL]}\n"
    found = flips(ask_why_not("r", {"F": known["F"], "NF": 1 / 3}, rulebook=book(rules)))
    assert set(found) == {"NF", "F", "TF"}
    assert found["TF"] < 7000 < 14000 < found["F"]


@pytest.mark.parametrize(
    ("when", "raw", "threshold"),
    [("NF < 0.5", "F", "TF"), ("T_NE > 0.5", "T_E", "TT_E"), ("V_NE > 0.5", "V_E", "TV_E")],
)
def test_what_is_derived_from_a_number_that_was_not_measured_would_be_known_with_it(when, raw, threshold):
    rulebook = book(f"  - {{id: r, when: {when}, weight: 1, instruct: [ACL]}}\n")
    derived = when.split()[0]
    answer = ask_why_not("r", {}, rulebook=rulebook)
    assert set(flips(answer)) == {derived, raw}
    assert any(flip.text.startswith(f"r would fire if {raw} were measured, at ") for flip in answer.flips)
    assert suppose(rulebook, supposed_facts(rulebook, {raw: flips(answer)[raw]}, {})).inference.fired
    at = settings(None, {})[threshold]
    unknown = Facts.of({raw: at, derived: None}, settings(None, {}))  # though its source is known: for another reason
    assert changed(unknown, threshold, at * 2)[derived] is None


@pytest.mark.parametrize(
    ("when", "metrics", "low"),
    [
        ("P < 450", {"P": 50_000.0}, 427),
        ("F < 100", {"F": 5_000_000.0}, 95),
        ("W < 1500", {"W": 2_000_000.0}, 1425),
        ("L < 0.02", {"L": 1500.0}, 0.019),
        ("class_gap < 0.02", {"class_gap": 0.9}, 0.019),
    ],
)
def test_a_change_from_far_off_ends_close_to_the_boundary_and_not_at_zero(when, metrics, low):
    answer = ask_why_not("far", metrics, rulebook=book(f"  - {{id: far, when: {when}, weight: 1, instruct: [ACL]}}\n"))
    (name,) = metrics
    assert low <= flips(answer)[name] < float(when.split()[-1])


def test_a_change_to_just_beyond_zero_is_told_as_a_short_number():
    answer = ask_why_not(
        "far", {"loss_slope": -5.0}, rulebook=book("  - {id: far, when: loss_slope > 0, conclude: falls}\n")
    )
    assert 0 < flips(answer)["loss_slope"] == float(f"{flips(answer)['loss_slope']:.3g}") <= 0.25
