"""Where rulebooks advise differently."""

from __future__ import annotations

import pytest

from lemonade_es.engine.expert.advice import Shift, decide
from lemonade_es.engine.expert.facts import Facts
from lemonade_es.engine.suppositions.difference import elsewhere, regions
from lemonade_es.engine.suppositions.whatif import supposed_facts
from lemonade_es.rules.changes import changes
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook
from lemonade_es.vocabulary import settings

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


def book(*rules, head=HEAD):
    return parse_rulebook(head + "".join(rules), "b.yaml")


def test_a_moved_threshold_is_found_with_its_region_and_an_example_of_it():
    old, new = book(LOW, SLOW), book(LOW.replace("0.9", "0.8"), SLOW)
    found = regions(old, new)
    assert {(region.gained, region.lost) for region in found} == {((), ("ACL",)), (("RCL",), ("ACL",))}
    for region in found:
        low, high = region.ranges["V_Acc"]
        assert 0.8 <= low <= region.witness["V_Acc"] <= high <= 0.9
        assert region.rules == ("low",)


def test_each_witness_gives_the_advice_that_is_told():
    old, new = load_rulebook(find_rulebook("lemonade")), book(LOW, SLOW)
    for region in regions(old, new):
        for rulebook, told in ((old, region.old), (new, region.new)):
            facts = Facts.of(region.witness, settings(None, {}, rulebook.defaults))
            assert decide(rulebook, facts).kept == told
        shift = Shift.between(region.old, region.new)
        assert (tuple(sorted(shift.gained)), tuple(sorted(shift.lost))) == (
            tuple(sorted(region.gained)),
            tuple(sorted(region.lost)),
        )


def test_a_witness_names_only_what_matters():
    (region,) = regions(book(LOW, SLOW), book(LOW.replace("weight: 1", "weight: 2"), SLOW))
    assert set(region.witness) == {"V_Acc"}
    assert region.reweighted == ("ACL",)


def test_a_rulebook_does_not_differ_from_itself_nor_in_its_comments():
    old = book(LOW, SLOW)
    assert regions(old, book("  # a comment\n", LOW, SLOW)) == ()
    assert changes(old, book("  # a comment\n", LOW, SLOW)) == ()


def test_a_change_of_a_reason_or_to_an_equal_condition_is_one_of_the_text_alone():
    new = book(LOW.replace("V_Acc < 0.9", "not (0.9 <= V_Acc)").replace("because: low", "because: lower"), SLOW)
    assert regions(book(LOW, SLOW), new) == ()
    (change,) = changes(book(LOW, SLOW), new)
    assert set(change.fields) == {"when", "because"}


def test_defaults_that_differ_make_a_difference():
    rule = "  - {id: large, when: P > TP, weight: 1, instruct: [RCL]}\n"
    heads = [HEAD.replace("rules:", f"thresholds: {{TP: {{default: {size}}}}}\nrules:") for size in (1000, 2000)]
    (region,) = regions(*(book(rule, head=head) for head in heads))
    assert region.lost == ("RCL",)
    assert 1000 < region.witness["P"] <= 2000


@pytest.mark.parametrize(
    ("condition", "raw", "limits", "low", "high"),
    [
        ("NF < 0.5", "F", (14000, 1000), 1000, 14000),
        ("NF < 0.5 and F > 2000", "F", (14000, 1000), 2000, 14000),
        ("T_NE >= 0.5", "T_E", (0.001, 0.01), 0.001, 0.01),
        ("V_NE > 0.9 and V_Acc < 0.9", "V_E", (1e-5, 1e-4), 9e-5, 9e-4),
    ],
)
def test_a_normalised_metric_is_another_one_where_its_threshold_is(condition, raw, limits, low, high):
    """NF was taken for the same in both, so that books of which only TF differs were said to advise the same."""
    rule = f"  - {{id: r, when: {condition}, weight: 1, instruct: [RCL]}}\n"
    heads = [HEAD.replace("rules:", f"thresholds: {{T{raw}: {{default: {limit}}}}}\nrules:") for limit in limits]
    old, new = (book(rule, head=head) for head in heads)
    (region,) = regions(old, new)
    assert low <= region.witness[raw] <= high
    assert set(region.witness) <= {raw, "V_Acc"}
    for rulebook, told in ((old, region.old), (new, region.new)):
        assert decide(rulebook, supposed_facts(rulebook, region.witness, {})).kept == told
    assert regions(old, old) == regions(new, new) == ()


@pytest.mark.parametrize(
    ("declared", "weight", "changed", "there"),
    [
        ("", "PF", "PF * 3", [{"PF": 1}]),
        ("PF: {default: 0, range: [0, 4]}", "PF", "PF * 3", [{"PF": 4}]),
        ("PP: {default: 1, range: [0.5, 2]}", "1", "'max(PP, 1)'", [{"PP": 2}]),
        ("PP: {default: 1, range: [0, 2]}, PF: {default: 0, range: [0, 4]}", "PF", "PF * 3", [{"PP": 2, "PF": 4}]),
        ("", "1 + PF", "3 + PF", []),
    ],
)
def test_a_change_that_shows_only_at_other_settings_is_found_there(declared, weight, changed, there):
    head = HEAD.replace("rules:", f"priorities: {{{declared}}}\nrules:")
    old, new = (book(LOW, SLOW.replace("0.5", text), head=head) for text in (weight, changed))
    known = regions(old, new)
    found = elsewhere(old, new, known)
    assert [item.settings for item in found] == there
    assert bool(known) is not bool(found)
    for item in found:
        for region in item.regions:
            for rulebook, told in ((old, region.old), (new, region.new)):
                wishes = settings(None, item.settings, rulebook.defaults)
                assert decide(rulebook, Facts.of(region.witness, wishes)).kept == told


@pytest.mark.parametrize("changed", ["combine: max\nrules:", "max_instructions: 1\nrules:"])
def test_how_weights_are_combined_and_limited_counts_too(changed):
    more = LOW.replace("id: low", "id: lower").replace("0.9", "0.5").replace("[ACL]", "[ACL, RCL]").replace("1,", "3,")
    third = "instructions:\n  AWI: {text: Init}\n"
    head = HEAD.replace("instructions:\n", third)
    other = "  - {id: init, when: V_Acc < 0.7, weight: 0.1, instruct: [AWI]}\n"
    rules = (LOW, more, other)
    assert regions(book(*rules, head=head), book(*rules, head=head.replace("rules:", changed)))


def test_what_was_changed_is_told_part_by_part_with_both_places():
    new_head = HEAD.replace("text: Reduce", "text: Remove").replace("rules:", "combine: max\nrules:")
    new = book(SLOW.replace("0.5", "0.25"), "  - {id: more, when: P > 1, conclude: big}\n", head=new_head)
    found = {(item.part, item.name, item.how): item for item in changes(book(LOW, SLOW), new)}
    assert set(found) == {
        ("rulebook", "combine", "changed"),
        ("instruction", "RCL", "changed"),
        ("rule", "slow", "changed"),
        ("rule", "more", "added"),
        ("rule", "low", "removed"),
    }
    slow = found["rule", "slow", "changed"]
    assert slow.fields == {"weight": ("0.5", "0.25")}
    assert (slow.old.line, slow.new.line) == (8, 8)
    assert slow.to_json()["fields"] == {"weight": ["0.5", "0.25"]}


def test_a_rule_taken_to_another_place_is_told_once():
    third = SLOW.replace("id: slow", "id: third")
    (moved,) = changes(book(LOW, SLOW, third), book(third, LOW, SLOW))
    assert (moved.name, moved.how) == ("third", "moved")


def test_changed_tests_and_settings_are_told():
    tests = "tests:\n  - {{name: t, given: {{V_Acc: {value}}}, expect: {{fired: [low]}}}}\n"
    old = book(LOW, SLOW, tests.format(value=0.5))
    head = HEAD.replace("rules:", "priorities: {PF: {default: 1}}\nrules:")
    found = changes(old, book(LOW, SLOW, tests.format(value=0.6), head=head))
    assert {(item.part, item.name) for item in found} == {("test", "t"), ("setting", "PF")}
