"""What is said of common slips: each message says what to write."""

from __future__ import annotations

import pytest

from lemonade_es.rules.lint import lint
from lemonade_es.rules.load import parse_rulebook
from lemonade_es.rules.syntax import read_tree
from lemonade_es.vocabulary import METRICS, SETTABLE, TERMS, closest
from tests.rules.refusals import HEAD, told


def condition(when):
    return told(f"{HEAD}  - id: one\n    when: {when}\n    weight: 1\n    instruct: [ACL]\n")


@pytest.mark.parametrize(
    ("when", "place", "message"),
    [
        ("V_Acc < 0.5 AND T_Acc > 0.5", "7:23", "write `and` in small letters, not 'AND'"),
        ("failed Or nonfinite", "7:18", "write `or` in small letters, not 'Or'"),
        ("NOT failed", "7:11", "write `not` in small letters, not 'NOT'"),
        ("V_Acc =< 0.5", "7:17", "'=<' cannot be used here: write <="),
        ("V_Acc => 0.5", "7:17", "'=>' cannot be used here: write >="),
        ("V_Acc <> 0.5", "7:17", "'<>' cannot be used here: write !="),
        ("V_Acc = 0.5", "7:17", "'=' cannot be used here: write == to compare"),
        ("T_Acc \u2013 V_Acc > OT", "7:17", "it is EN DASH; write a plain -"),
        ("T_Acc \u2212 V_Acc > OT", "7:17", "it is MINUS SIGN; write a plain -"),
        ("T_Acc \u00d7 2 > OT", "7:17", "write * to multiply"),
        ("V_Acc\u00a0< 0.5", "7:16", "it is NO-BREAK SPACE; write a plain blank"),
        ("V_Acc\u200b < 0.5", "7:16", "it is ZERO WIDTH SPACE; remove it"),
        ("\u201cV_Acc < 0.5\u201d", "7:11", "it is LEFT DOUBLE QUOTATION MARK; write plain quotes"),
        ("failed == true", "7:21", "what is true or false stands alone: `failed`, `not failed`"),
        ("failed == True", "7:21", "what is true or false stands alone: `failed`, `not failed`"),
        ("FPS < 10", "7:11", "did you mean F?"),
        ("latency > 5", "7:11", "did you mean L?"),
        ("energy > 5", "7:11", "did you mean T_E?"),
        ("yes", "7:11", "a rule that always fires has `1 > 0`"),
        ("always", "7:11", "a rule that always fires has `1 > 0`"),
        ("failed == yes", "7:21", "what is true or false stands alone: `failed`, `not failed`"),
        ("P > TP und V_Acc < 0.5", "7:18", "join comparisons with `and` or `or`"),
        ("P > TP; V_Acc < 0.5", "7:17", "join comparisons with `and` or `or`"),
        ("P > TP or", "7:20", "something is missing at its end"),
        ("failed and x or", "7:26", "something is missing at its end"),
        ("failed x or", "7:18", "something is missing at its end"),
        ("failed and x y", "7:24", "compare with signs, as in V_Acc < 0.5"),
        ("P > TP then", "7:18", "leave out `then`: what is to be done stands in `instruct`"),
        ("P > TP#too many", "7:17", "a comment has a blank before its #"),
        ("if V_Acc < 0.5", "7:11", "leave out `if`: a condition stands alone"),
        ("S > 0.1 MB", "7:19", "numbers have no units here: write 0.1 without MB"),
        ("V_Acc < 0.5 P > 3", "7:23", "join comparisons with `and` or `or`"),
        ("V_Acc < 0.5 xor T_Acc < 0.5", "7:23", "join comparisons with `and` or `or`"),
        ("V_Acc < 0.5 und (P > 3)", "7:23", "join comparisons with `and` or `or`"),
        ("V_Acc < 50 percent", "7:22", "write 0.5 for 50 per cent"),
        ("V_Acc < 50 per cent and failed", "7:22", "write 0.5 for 50 per cent"),
        ("V_Acc < 50 Prozent", "7:22", "write 0.5 for 50 per cent"),
        ("[V_Acc < 0.5, failed]", "7:11", "when must be text, found a list; join its comparisons with `and` or `or`"),
        ("S > 0.1 MB and failed", "7:19", "numbers have no units here: write 0.1 without MB"),
        ("P > 1 200 000", "7:17", "write 1200000"),
        ("P > 100'000", "7:18", "write 100000"),
        ("P > 1 000 000.5", "7:17", "write 1000000.5"),
        ("V-Acc < 0.5", "7:11", "did you mean V_Acc? (a hyphen subtracts)"),
        ("V_Acc == low", "7:20", "how much is told by a number, as 0.5, or by a threshold or priority"),
        ("V_Acc under 0.5", "7:17", "compare with signs, as in V_Acc < 0.5"),
        ("V_Acc < < 0.5 and failed", "7:19", "invalid syntax"),
        ("V_Acc < 0.5, T_Acc > 0.5", "7:11", "are several values; join comparisons with `and` or `or`"),
        ("V_Acc < 0.5, failed", "7:11", "are several values; join comparisons with `and` or `or`"),
        ("V_Acc < 0,5 and P > 3", "7:11", "are several values; write numbers with a point and without commas"),
        ("V_Acc < 0.5 if P > 3", "7:11", "an expression has no `if`: a case stands in `when`"),
        ("> 0.5", "7:13", "put a text that begins with > or | in quotes"),
    ],
)
def test_a_slip_in_a_condition_is_told_with_its_cure(when, place, message):
    line, *others = condition(when)
    assert line.startswith(f"b:{place} ")
    assert message in line
    assert all(message in other for other in others)


@pytest.mark.parametrize("weight", ["high", "Low", "medium"])
def test_a_word_for_how_much_a_rule_weighs_is_not_taken_for_a_metric(weight):
    (line,) = told(f"{HEAD}  - id: one\n    when: V_Acc < 0.5\n    weight: {weight}\n    instruct: [ACL]\n")
    assert line.startswith("b:8:13 UNKNOWN_NAME")
    assert line.endswith("; how much is told by a number, as 0.5, or by a threshold or priority")


@pytest.mark.parametrize(
    ("weight", "cure"),
    [
        ("hoch", "how much is told by a number, as 0.5, or by a threshold or priority"),
        ("very important", "how much is told by a number, as 0.5, or by a threshold or priority"),
        ("2 x PV_Acc", "write * to multiply"),
        ("2 \u00b7 PV_Acc", "write * to multiply"),
        ("2PV_Acc", "write 2 * PV_Acc to multiply"),
        ("PV_Ac", "did you mean PV_Acc?"),
    ],
)
def test_a_slip_in_a_weight_is_told_with_what_a_weight_is(weight, cure):
    (line,) = told(f"{HEAD}  - id: one\n    when: V_Acc < 0.5\n    weight: {weight}\n    instruct: [ACL]\n")
    assert line.endswith((f"; {cure}", f": {cure}"))


@pytest.mark.parametrize("weight", ["2 if P > 5 else 1", "PV_Acc if overfitting"])
def test_a_weight_that_depends_on_a_case_is_told_to_take_two_rules(weight):
    (line,) = told(f"{HEAD}  - id: one\n    when: V_Acc < 0.5\n    weight: {weight}\n    instruct: [ACL]\n")
    assert line.startswith("b:8:13 ")
    assert line.endswith(
        "an expression has no `if`: a case stands in `when`, and each other case takes a rule of its own"
    )


@pytest.mark.parametrize(
    ("extends", "found"),
    [("[lemonade, edge]", "a list; name one, which may extend another"), ("1", "1"), ("", "nothing")],
)
def test_what_cannot_be_extended_is_all_that_is_told(extends, found):
    rule = "  - {id: one, when: overfitting, weight: 1, instruct: [RK]}\n"
    (line,) = told(f"rulebook: book\nversion: 1\nextends: {extends}\nrules:\n{rule}")
    assert " WRONG_TYPE extends must be text, found " in line
    assert line.endswith(f"found {found}")


@pytest.mark.parametrize("name", ["größe", "zu groß"])
def test_letters_of_other_alphabets_are_told_not_to_be_meant(name):
    (line,) = told(f"{HEAD}  - {{id: {name}, when: V_Acc < 0.5, weight: 1, instruct: [ACL]}}\n")
    assert line.endswith("is no name for this; use letters (a-z, A-Z), digits, - and _, such as low-accuracy")


@pytest.mark.parametrize("name", ["V_Ac", "PV_acc", "TT_Acc"])
def test_what_is_spelled_nearly_right_is_still_found(name):
    assert closest(name, TERMS) in ("V_Acc", "PV_Acc", "TT_Acc")


@pytest.mark.parametrize("name", ["PQ", "TQ", "WX"])
def test_of_many_names_that_share_one_letter_of_two_none_is_proposed(name):
    assert closest(name, SETTABLE) is None


def test_one_letter_too_many_is_still_understood():
    assert closest("PQ", METRICS) == "P"


@pytest.mark.parametrize(
    ("key", "meant"),
    [
        ("then", "instruct"),
        ("name", "id"),
        ("if", "when"),
        ("why", "because"),
        ("Reason", "because"),
        ("wen", "when"),
        ("priority", "weight"),
    ],
)
def test_a_key_of_a_rule_is_known_by_what_other_systems_call_it(key, meant):
    rule = f"  - {{id: one, when: failed, weight: 1, instruct: [ACL], because: x, {key}: y}}\n"
    (line,) = told(HEAD + rule)
    assert line.endswith(f"UNKNOWN_KEY {key!r} is not a key here; did you mean {meant}?")


@pytest.mark.parametrize("number", ["5ms", "100k", "1_000"])
def test_a_number_with_a_unit_in_a_condition_is_told_how_to_be_written(number):
    (line,) = condition(f"L > {number}")
    assert line.endswith(f"BAD_NUMBER {number!r} is no number; write a plain number, without a unit, as 0.5 or 100000")


@pytest.mark.parametrize(("number", "faulty"), [("007", "007"), ("2024-01-15", "01")])
def test_a_number_that_begins_with_zeros_is_told_how_to_be_written(number, faulty):
    (line,) = condition(f"P > {number}")
    assert line.endswith(f"BAD_NUMBER {faulty!r} begins with 0: write {int(faulty)}, and compare no dates")


def test_zeros_that_change_no_number_may_begin_it():
    problems = []
    assert read_tree("P > 00 and V_Acc > 0.07 and L > 00.5", lambda *problem: problems.append(problem)) is not None
    assert problems == []


def test_a_word_for_a_metric_is_proposed_only_where_that_can_stand():
    assert closest("fps", ["ACL", "GPS"]) == "GPS"


def test_an_expression_that_its_braces_tear_apart_is_to_be_quoted():
    rule = "  - {id: one, when: failed, weight: max(0.5, T_Acc - V_Acc), instruct: [ACL]}\n"
    first, second = told(HEAD + rule)
    assert first.endswith("; in a rule written in braces, quote an expression that has commas")
    assert second.endswith("quote the whole expression")


def test_a_line_that_is_indented_otherwise_than_its_neighbours_is_told_so():
    (line,) = told(f"{HEAD}  - id: one\n      when: failed\n")
    assert "indent all entries of a list or a mapping alike" in line


def test_an_instruction_that_forgets_its_conflict_is_blamed_itself_not_the_extended_rulebook():
    book = "rulebook: x\nversion: 1\nextends: lemonade\ninstructions:\n  ACL: {text: Add one}\n"
    (line,) = told(book)
    assert line.startswith("b:5:8 ONE_SIDED_CONFLICT ACL names no conflict, but RCL (lemonade.yaml:")
    assert line.endswith(" conflicts with it; conflicts must be mutual: give ACL `conflicts_with: RCL`")


def test_a_flag_is_not_taken_for_a_share():
    rule = "  - {id: one, when: failed == 2, weight: 1, instruct: [ACL]}\n"
    (item,) = (item for item in lint(parse_rulebook(HEAD + rule, "b")) if item.code == "ALWAYS_FALSE")
    assert item.message.endswith("; failed is 0 or 1")


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        *((word, "reduce") for word in ("decrease", "Decrease", "decreases", "dcrease", "decreasing", "redcue")),
        *((word, "reduce") for word in ("lower", "shrink", "less", "fewer", "smaller", "down", "'-'")),
        *((word, "increase") for word in ("incraese", "INCREASE", "increases", "raise", "grow", "more", "up", "'+'")),
    ],
)
def test_a_word_for_a_direction_is_never_taken_for_the_opposite(word, meant):
    text = HEAD.replace("{text: Add}", f"{{text: Add, changes: kernels, direction: {word}}}")
    (said,) = told(f"{text}  - {{id: one, when: V_Acc < 1, weight: 1, instruct: [ACL]}}\n")
    assert said.endswith(f"direction cannot be {word if word[0] == chr(39) else repr(word)}; did you mean {meant}?")


@pytest.mark.parametrize("word", ["sideways", "keep", "both"])
def test_a_word_for_no_direction_gets_both(word):
    text = HEAD.replace("{text: Add}", f"{{text: Add, changes: kernels, direction: {word}}}")
    (said,) = told(f"{text}  - {{id: one, when: V_Acc < 1, weight: 1, instruct: [ACL]}}\n")
    assert said.endswith(f"direction cannot be {word!r}; choose one of increase, reduce")


def settings_of(section, entry):
    return told(f"{HEAD}  - {{id: one, when: V_Acc < 1, weight: 1, instruct: [ACL]}}\n{section}: {{{entry}}}\n")


@pytest.mark.parametrize(
    ("section", "entry", "hint"),
    [
        (
            "thresholds",
            "TMINE: {default: 0.2}",
            (
                "'TMINE' is not a key here; the thresholds are those of the vocabulary (TT_Acc, TV_Acc, TT_E, TV_E, "
                "...); write a number of your own into `when`"
            ),
        ),
        (
            "thresholds",
            "TV_Ac: {default: 0.2}",
            "'TV_Ac' is not a key here; did you mean TV_Acc? (write a number of your own into `when`)",
        ),
        (
            "priorities",
            "mine: {default: 2}",
            (
                "'mine' is not a key here; the priorities are those of the vocabulary (PT_Acc, PV_Acc, PT_E, PV_E, ...)"
                "; write a number of your own into `weight`"
            ),
        ),
        ("thresholds", "PV_Acc: {default: 1}", "'PV_Acc' is not a key here; it is a priority: move it to priorities"),
    ],
)
def test_a_setting_of_ones_own_is_told_where_its_number_belongs(section, entry, hint):
    (said,) = settings_of(section, entry)
    assert said == f"b:7:{len(section) + 4} UNKNOWN_KEY {hint}"


@pytest.mark.parametrize(
    ("key", "hint"),
    [
        ("low", "conclusions are drawn by the rules, not given: give what is measured where they draw it"),
        ("overfitting", "give metrics and settings; conclusions are drawn by the rules, not given"),
        ("fitted", "did you mean failed? (conclusions are drawn by the rules, not given)"),
        ("V_Ac", "did you mean V_Acc?"),
    ],
)
def test_a_conclusion_that_a_test_gives_is_told_to_be_drawn(key, hint):
    rules = f"{HEAD}  - {{id: one, when: V_Acc < 1, conclude: low}}\n"
    (said,) = told(f"{rules}tests:\n  - {{name: t, given: {{{key}: 1}}, expect: {{fired: [one]}}}}\n")
    assert said == f"b:8:23 UNKNOWN_KEY '{key}' is not a key here; {hint}"


def test_a_rule_that_always_fires_is_told_how_it_is_written():
    rule = "  - {{id: one, when: {}, weight: 1, instruct: [ACL]}}\n"
    (said,) = told(HEAD + rule.format("true"))
    assert said == "b:6:21 WRONG_TYPE when must be text, found true; a rule that always fires has `when: 1 > 0`"
    (said,) = told(HEAD + rule.format("'True'"))
    assert said == "b:6:22 NOT_ALLOWED 'True' is no value here; a rule that always fires has `1 > 0`"
    (said,) = told(HEAD + rule.format("false"))
    assert said == "b:6:21 WRONG_TYPE when must be text, found false; leave out a rule that never fires"
    parse_rulebook(HEAD + rule.format("1 > 0"), "b")


@pytest.mark.parametrize(
    ("when", "found"),
    [
        ("exists(L)", "6:22 UNKNOWN_FUNCTION 'exists' is no function"),
        ("not known(L)", "6:26 UNKNOWN_FUNCTION 'known' is no function"),
        ("L is unknown", "6:27 UNKNOWN_NAME 'unknown' is no value here"),
        ("L is not None", "6:31 NOT_ALLOWED 'None' is no value here"),
        ("None != L", "6:22 NOT_ALLOWED 'None' is no value here"),
        ("known", "6:22 UNKNOWN_NAME 'known' is neither in the vocabulary nor a conclusion of any rule"),
        ("L exists and L < 3", "6:24 EXPRESSION_SYNTAX 'L exists and L < 3': invalid syntax"),
    ],
)
def test_a_condition_that_asks_whether_a_value_is_known_is_told_what_an_unknown_one_does(when, found):
    (said,) = told(f'{HEAD}  - {{id: one, when: "{when}", weight: 1, instruct: [ACL]}}\n')
    assert said == (
        f"b:{found}; whether a value is known cannot be asked: where it is unknown, a rule that needs it does not fire"
    )


def test_a_conclusion_may_have_a_name_that_asks():
    known = "  - {id: measured, when: L > 0, conclude: known}\n"
    book = parse_rulebook(f"{HEAD}{known}  - {{id: one, when: not known, weight: 1, instruct: [ACL]}}\n", "b")
    assert [rule.when.conclusions for rule in book.rules] == [(), ("known",)]


def test_an_instruction_that_is_like_none_is_told_those_that_there_are():
    (said,) = told(f"{HEAD}  - {{id: one, when: V_Acc < 1, weight: 1, instruct: [WIDEN_IT]}}\n")
    assert said.endswith("UNKNOWN_INSTRUCTION no instruction is called 'WIDEN_IT'; choose one of ACL")


def test_the_name_of_a_rulebook_is_told_its_key():
    assert "b:1:1 UNKNOWN_KEY 'name' is not a key here; did you mean rulebook?" in told(
        HEAD.replace("rulebook:", "name:")
    )
