"""What is said of values in another form than the one wanted: each message says how they are written."""

from __future__ import annotations

import pytest

from tests.rules.refusals import HEAD, told


@pytest.mark.parametrize(
    ("instruct", "meant"),
    [
        ("ACL", "; write [ACL]"),
        ("ACL, RCL", "; write [ACL, RCL]"),
        ("'[ACL, RCL]'", "; write [ACL, RCL]"),
        ("ACL RCL;AWI", "; write [ACL, RCL, AWI]"),
        ("{ACL: 1, AWI: 0.5}", "; write [ACL, AWI], and the one weight in `weight`; another weight takes another rule"),
        ("ACL and RCL", "; write [ACL, RCL]"),
        ("ACL + RCL & AWI", "; write [ACL, RCL, AWI]"),
        ('""', "found ''"),
    ],
)
def test_instructions_that_are_no_list_are_told_as_one(instruct, meant):
    (line,) = told(f"{HEAD}  - id: one\n    when: V_Acc < 0.5\n    weight: 1\n    instruct: {instruct}\n")
    assert line.startswith("b:9:15 WRONG_TYPE instruct must be a list, found ")
    assert line.endswith(meant)


@pytest.mark.parametrize(
    ("expect", "meant"),
    [
        ("fired: one", "fired must be a list, found 'one'; write [one]"),
        ("not_fired: one", "not_fired must be a list, found 'one'; write [one]"),
        ("absent: 'ACL, RCL'", "absent must be a list, found 'ACL, RCL'; write [ACL, RCL]"),
        ("instructions: [ACL]", "must be a mapping, found a list; write each with its weight, as {ACL: 1}"),
        ("instructions: [{ACL: 1}]", "instructions must be a mapping, found a list"),
    ],
)
def test_what_a_test_expects_in_another_form_is_told_in_the_right_one(expect, meant):
    rule = "  - {id: one, when: V_Acc < 0.5, weight: 1, instruct: [ACL]}\n"
    (line,) = told(f"{HEAD}{rule}tests:\n  - {{name: a, given: {{}}, expect: {{{expect}}}}}\n")
    assert line.startswith("b:8:")
    assert line.endswith(meant)


@pytest.mark.parametrize(
    ("instructions", "meant"),
    [
        ("[ACL]", "a list; write each with its text, as {ACL: {text: Add a layer}}"),
        ("{ACL: Add one}", "ACL must be a mapping, found 'Add one'; write {text: ...}"),
    ],
)
def test_instructions_of_ones_own_in_another_form_are_told_their_text(instructions, meant):
    rule = "  - {id: one, when: V_Acc < 0.5, weight: 1, instruct: [ACL]}\n"
    line, *_ = told(HEAD.replace("\n  ACL: {text: Add}", f" {instructions}") + rule)
    assert line.startswith("b:3:")
    assert line.endswith(meant)


def test_a_colon_without_a_blank_after_it_is_told_to_have_one():
    rule = "  - {id: one, when: V_Acc < 0.5, weight: 1, instruct: [ACL]}\n"
    line, *_ = told(f"{HEAD}{rule}tests:\n  - {{name: a, given: {{P:1000}}, expect: {{fired: [one]}}}}\n")
    assert line == "b:8:23 UNKNOWN_KEY 'P:1000' is not a key here; put a blank after its colon: `P: 1000`"


@pytest.mark.parametrize(
    ("test", "said"),
    [
        ("name: 12, given: {V_Acc: 1}", "name must be text, found 12; put it in quotes"),
        ("name: a, given: {V_Acc: 95}", "V_Acc must be at most 1, found 95; 95 % is 0.95"),
        ("name: a, given: {failed: 2}", "failed must be at most 1, found 2"),
        ("name: a, given: {V_Acc: 1}}\nthresholds: {TV_Acc: {default: 99.5}", "found 99.5; 99.5 % is 0.995"),
    ],
)
def test_a_number_for_a_name_and_a_share_in_per_cent_are_told_how_they_are_written(test, said):
    rule = "  - {id: one, when: V_Acc < 1, weight: 1, instruct: [ACL]}\n"
    (line,) = told(f"{HEAD}{rule}tests:\n  - {{expect: {{not_fired: [one]}}, {test}}}\n")
    assert line.endswith(said)


def test_a_rule_to_drop_is_to_stand_in_a_list():
    (line,) = told("rulebook: book\nversion: 1\nextends: lemonade\ndrop: broken\n")
    assert line == "b:4:7 WRONG_TYPE drop must be a list, found 'broken'; write [broken]"


@pytest.mark.parametrize(
    ("default", "cure"),
    [
        ("30 ms", "write a plain number, without a unit, as 0.5 or 100000 (TL is in ms)"),
        ("16_000", "write a plain number, without a unit, as 0.5 or 100000 (TL is in ms)"),
        ("30 %", "write 0.3"),
    ],
)
def test_a_number_with_a_unit_is_told_how_to_be_written(default, cure):
    rule = "  - {id: one, when: failed, weight: 1, instruct: [ACL]}\n"
    (line,) = told(f"{HEAD}{rule}thresholds:\n  TL: {{default: {default}}}\n")
    assert line.endswith(f"WRONG_TYPE default must be a number, found {default!r}; {cure}")


@pytest.mark.parametrize(
    ("given", "cure"),
    [
        ("failed: true", "found true; write 1"),
        ("failed: yes", "found 'yes'; write 1"),
        ("nonfinite: False", "found false; write 0"),
        ('V_Acc: "0.5"', "found '0.5'; write 0.5 without quotes"),
        ("V_Acc: true", "found true"),
    ],
)
def test_a_fact_that_is_no_number_is_told_the_number(given, cure):
    rule = "  - {id: one, when: failed, weight: 1, instruct: [ACL]}\n"
    (line,) = told(f"{HEAD}{rule}tests:\n  - {{name: a, given: {{{given}}}, expect: {{fired: [one]}}}}\n")
    assert line.startswith("b:8:")
    assert line.endswith(f" must be a number, {cure}")


@pytest.mark.parametrize("number", ["0,5", "100,000"])
def test_a_number_with_a_comma_in_a_line_of_its_own_is_told_to_have_none(number):
    rule = "  - {id: one, when: failed, weight: 1, instruct: [ACL]}\n"
    (line,) = told(f"{HEAD}{rule}thresholds:\n  TL:\n    default: {number}\n")
    assert line.endswith(f"found {number!r}; write it with a point and without commas, as 0.5")


def test_a_word_where_a_number_is_wanted_is_told_no_unit():
    rule = "  - {id: one, when: failed, weight: 1, instruct: [ACL]}\n"
    (line,) = told(f"{HEAD}{rule}thresholds:\n  TL: {{default: fast}}\n")
    assert line.endswith("WRONG_TYPE default must be a number, found 'fast'")


def test_a_default_that_stands_alone_is_to_be_named():
    (line,) = told(HEAD.replace("rules:", "priorities: {PF: 1}\nrules:") + "  - {id: one, when: failed, conclude: a}\n")
    assert line.endswith("PF must be a mapping, found 1; write {default: 1}")


def test_a_truth_is_no_default():
    (line,) = told(
        HEAD.replace("rules:", "thresholds: {TL: true}\nrules:") + "  - {id: a, when: failed, conclude: b}\n"
    )
    assert line.endswith("TL must be a mapping, found true")


def test_a_number_that_its_braces_tear_apart_is_to_be_written_with_a_point():
    (line,) = told(f"{HEAD}  - {{id: one, when: failed, weight: 0,5, instruct: [ACL]}}\n")
    assert line.endswith("'5' is not a key here; if it ends a number, write that with a point, as 0.5")


def test_rules_and_facts_of_another_form_are_told_how_they_are_written():
    said = told(
        f"{HEAD}  id: one\n  when: V_Acc < 1\ntests:\n  - {{name: t, given: V_Acc = 1, expect: {{fired: [one]}}}}\n"
    )
    assert (
        "b:6:3 WRONG_TYPE rules must be a list, found a mapping; begin each one with a hyphen, as `- id: low`" in said
    )
    form = "given must be a mapping, found 'V_Acc = 1'; write names with numbers, as {V_Acc: 0.5}"
    assert any(line.endswith(form) for line in said)


@pytest.mark.parametrize(
    ("rest", "cured"), [("weight: 3", True), ("because: it is slow", True), ("weight: 3, instruct: [ACL]", False)]
)
def test_a_rule_that_changes_a_part_of_another_books_is_told_that_it_replaces_the_whole(rest, cured):
    said = told(f"rulebook: b\nversion: 1\nextends: lemonade\nrules:\n  - {{id: slow, {rest}}}\n")
    cure = "; a rule with the id of an extended book's takes the place of all of it: copy what is to stay"
    assert f"b:5:5 MISSING_KEY 'when' is missing here{cure if cured else ''}" in said


@pytest.mark.parametrize(
    ("instruct", "cure"),
    [
        ("[RK: 2]", "; write its name alone: one weight, in `weight`, is that of all"),
        ("['RK, RN']", "; write [RK, RN]"),
        ("[RK; RN]", "; write [RK, RN]"),
        ("[RK; RX]", "; choose one of ACL, RK, RN"),
    ],
)
def test_an_item_of_a_list_that_is_more_than_a_name_is_told_how_the_list_is_written(instruct, cure):
    named = "rulebook: b\nversion: 1\ninstructions: {ACL: {text: A}, RK: {text: B}, RN: {text: C}}\nrules:\n"
    said = told(f"{named}  - {{id: one, when: V_Acc < 1, weight: 1, instruct: {instruct}}}\n")
    assert said[-1].endswith(cure)


@pytest.mark.parametrize(("written", "cure"), [("95 %", "0.95"), ("97.5%", "0.975"), ("0.9 or so", "0.9")])
def test_a_threshold_with_a_unit_is_told_its_default(written, cure):
    (said,) = told(f"rulebook: b\nversion: 1\nextends: lemonade\nthresholds:\n  TV_Acc: {written}\n")
    assert said.endswith(f"TV_Acc must be a mapping, found {written!r}; write {{default: {cure}}}")
