"""What differs between rulebooks, and what recorded runs say about one, as people read it."""

from __future__ import annotations

from lemonade_es.engine.suppositions.backtest import Backtest, Flipped, RunReplay
from lemonade_es.engine.suppositions.difference import elsewhere, regions
from lemonade_es.report.difference import REGIONS_SHOWN, backtest_text, difference_text, flipped_text
from lemonade_es.rules.changes import changes
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook

HEAD = """\
rulebook: b
version: 1
instructions:
  ACL: {text: Add, conflicts_with: RCL}
  RCL: {text: Reduce, conflicts_with: ACL}
rules:
"""
LOW = "  - {id: low, when: V_Acc < 0.9, weight: 1, instruct: [ACL], because: low}\n"
SLOW = "  - {id: slow, when: F < 500, weight: 0.5, instruct: [RCL], because: slow}\n"


def told(old, new):
    books = parse_rulebook(old, "old.yaml"), parse_rulebook(new, "new.yaml")
    return difference_text(changes(*books), regions(*books), 8192).splitlines()


def test_a_change_is_told_with_both_places_the_region_and_an_example():
    lines = told(HEAD + LOW, HEAD + "\n" + LOW.replace("0.9", "0.8"))
    assert lines[:4] == [
        "Changes",
        "  ~ rule low  (old.yaml:7:5 -> new.yaml:8:5)",
        "      when: V_Acc < 0.9 -> V_Acc < 0.8",
        "",
    ]
    assert lines[4].endswith("% of 8,192 situations tried at the default settings")
    assert lines[5].startswith("  -ACL  in ")
    assert lines[5].endswith("because of low")
    assert lines[6] == "      within 0.8 <= V_Acc <= 0.9"
    assert lines[7].startswith("      for example V_Acc = 0.8")
    assert lines[8:] == ["          old: ACL 1", "          new: nothing"]


def test_a_comment_makes_no_difference_and_a_reason_none_to_the_advice():
    same = "The advice is the same in all of 8,192 situations tried at the default settings."
    nothing = "The rulebooks say the same, word for word (but for name, version, about and comments)."
    assert told(HEAD + LOW, HEAD + "  # now with a comment\n" + LOW) == [nothing, "", same]
    lines = told(HEAD + LOW, HEAD + LOW.replace("because: low", "because: lower"))
    assert "      because: low -> lower" in lines
    assert lines[-1] == same


def test_a_setting_that_is_set_now_is_told_with_its_value():
    lines = told(HEAD + LOW, HEAD.replace("rules:", "thresholds: {TF: {default: 7, range: [1, 9]}}\nrules:") + LOW)
    assert lines[1:4] == ["  ~ setting TF", "      default: none -> 7", "      range: none -> 1, 9"]


def test_of_a_setting_only_what_differs_is_told():
    heads = [
        HEAD.replace("rules:", f"thresholds: {{TF: {{default: 7, range: [1, {high}]}}}}\nrules:") for high in (8, 9)
    ]
    lines = told(heads[0] + LOW, heads[1] + LOW)
    assert lines[1:3] == ["  ~ setting TF", "      range: 1, 8 -> 1, 9"]
    assert "~ setting" not in "".join(told(heads[0] + LOW, heads[0] + SLOW))


def test_a_difference_that_no_rule_makes_is_put_down_to_the_limit():
    extra = "  - {id: wide, when: P > 1000, weight: 3, instruct: [RCL], because: x}\n"
    head = HEAD.replace("instructions:\n", "instructions:\n  AWI: {text: Init}\n")
    init = "  - {id: init, when: V_Acc < 0.7, weight: 0.1, instruct: [AWI], because: x}\n"
    lines = told(head + LOW + extra + init, head.replace("rules:", "max_instructions: 1\nrules:") + LOW + extra + init)
    (line,) = [line for line in lines if line.startswith("  -AWI  in ")]
    assert line.endswith("because of how weights are combined and limited, or conflicts decided")


def test_a_difference_that_shows_only_where_a_metric_is_unknown_is_found():
    lines = told(HEAD + LOW, HEAD + LOW.replace("V_Acc < 0.9", "V_Acc < 0.9 and P >= 0"))
    (line,) = [line for line in lines if line.startswith("      for example ")]
    assert line.split("example ")[1].startswith("V_Acc = ")
    assert "P = " not in line


def test_of_many_regions_the_largest_are_told_and_the_rest_counted():
    lemonade = load_rulebook(find_rulebook("lemonade"))
    limited = parse_rulebook("rulebook: m\nversion: 1\nextends: lemonade\nmax_instructions: 2\n", "m.yaml")
    found = regions(lemonade, limited)
    lines = difference_text((), found, 8192).splitlines()
    assert len(found) > REGIONS_SHOWN
    assert sum(line.startswith("      for example") for line in lines) == REGIONS_SHOWN
    assert lines[-1] == f"  and {len(found) - REGIONS_SHOWN} smaller regions (--json has them all)"


def test_regions_come_out_the_same_each_time():
    books = parse_rulebook(HEAD + LOW + SLOW, "a"), parse_rulebook(HEAD + LOW.replace("0.9", "0.8"), "b")
    assert regions(*books) == regions(*books)


def test_what_shows_only_at_other_settings_is_told_with_them():
    books = [
        parse_rulebook(HEAD + SLOW.replace("0.5", weight).replace("[RCL]", "[RCL, ACL]"), "a.yaml")
        for weight in ("PF", "PF * 3")
    ]
    lines = difference_text((), regions(*books), 8192, elsewhere(*books, ())).splitlines()
    assert lines[2:4] == [
        "The advice is the same in all of 8,192 situations tried at the default settings.",
        "It differs with PF = 1",
    ]
    assert lines[4].endswith("because of slow")
    assert lines[-2:] == ["          old: ACL 1", "          new: ACL 3"]


FLIPPED = Flipped("one", 3, {"ACL": 1.0, "AD": 0.5}, {"RCL": 2.0, "AD": 0.25}, (("RCL", "ACL"),))


def test_a_flipped_decision_is_told_with_both_advices_and_the_conflicts_that_turn():
    assert flipped_text([FLIPPED], 4, old="old", new="new").splitlines() == [
        "1 of 4 recorded decisions would be others",
        "  run one, iteration 3: +RCL -ACL ~AD",
        "      old: ACL 1, AD 0.5",
        "      new: RCL 2, AD 0.25",
        "      conflicts that turn: RCL over ACL",
    ]
    assert flipped_text([], 0, old="old", new="new") == "The runs hold no decisions: no rule has advised yet."


def test_a_backtest_is_told_in_sum_and_by_run():
    runs = (
        RunReplay("one", 3, {"low": 2, "slow": 3, "odd": 0}, (FLIPPED,)),
        RunReplay("two", 1, {"low": 1, "slow": 0, "odd": 0}, ()),
        RunReplay("three", 0, {}, ()),
    )
    assert backtest_text(Backtest(("low", "slow", "odd"), runs)).splitlines()[:9] == [
        "run three holds no decisions",
        "Rules that would have fired in 4 decisions of 3 runs",
        "     3  low",
        "     3  slow",
        "never: odd",
        "",
        "run one: 1 of 3 decisions would be others",
        "run two: 0 of 1 decisions would be others",
        "1 of 4 recorded decisions would be others",
    ]


def test_a_backtest_of_one_decision_counts_it_as_one():
    lines = backtest_text(Backtest(("low",), (RunReplay("one", 1, {"low": 1}, ()),))).splitlines()
    assert lines[0] == "Rules that would have fired in 1 decision of 1 run"


def test_a_backtest_without_decisions_says_just_that():
    assert backtest_text(Backtest(("low",), (RunReplay("one", 0, {}, ()),))) == "run one holds no decisions"
