"""What the linter says of the files as they are written."""

from __future__ import annotations

import pytest

from lemonade_es.rules.lint import lint
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook, shipped
from lemonade_es.rules.rulebook import Source

HEAD = """\
rulebook: b
version: 1
instructions: {ACL: {text: Add}}
rules:
  - {id: large, when: P > TP or F < TF, weight: 1, instruct: [ACL], because: x}
"""


def told(text, code, file="b"):
    return [f"{item.level} {item}" for item in lint(parse_rulebook(text, file)) if item.code == code]


@pytest.mark.parametrize(
    ("when", "warnings"),
    [
        ("P > 100.000", ["100.000 is 100; if it is meant as thousands, write 100000"]),
        ("not (14.500 > F) and V_Acc < 0.125", ["14.500 is 14.5; if it is meant as thousands, write 14500"]),
        ("P > 100.0 or F < 0.125 or V_Acc < 0.500 or S > 1.250", []),
    ],
)
def test_a_point_that_may_part_thousands_in_a_count_is_warned_of(when, warnings):
    rule = f"  - {{id: r, when: {when}, weight: 1, instruct: [ACL]}}\n"
    found = [item for item in lint(parse_rulebook(HEAD + rule, "b.yaml")) if item.code == "THOUSANDS_POINT"]
    assert [(item.level, item.message) for item in found] == [("warning", said) for said in warnings]


def test_a_point_that_may_part_thousands_is_told_in_settings_and_tests_too():
    more = """\
thresholds:
  TP: {default: 200.000, range: [1.000, 900000]}
  TF: {default: 14.000, range: [9.5, 20000]}
  TV_Acc: {default: 1.000}
tests:
  - {name: t, given: {P: 100.000, F: 200.00, V_Acc: 1.000}, expect: {not_fired: [large]}}
"""
    assert told(HEAD + more, "THOUSANDS_POINT") == [
        "warning b:7:17 THOUSANDS_POINT 200.000 is 200; if it is meant as thousands, write 200000",
        "warning b:7:34 THOUSANDS_POINT 1.000 is 1; if it is meant as thousands, write 1000",
        "warning b:8:17 THOUSANDS_POINT 14.000 is 14; if it is meant as thousands, write 14000",
        "warning b:11:26 THOUSANDS_POINT 100.000 is 100; if it is meant as thousands, write 100000",
    ]


@pytest.mark.parametrize("name", shipped())
def test_the_shipped_rulebooks_are_written_well(name):
    codes = {"THOUSANDS_POINT", "CUT_OFF", "TESTS_LEFT_OUT", "UNUSED_SETTING", "NOT_IN_PERCENT", "DEFAULT_LOST"}
    assert not [item for item in lint(load_rulebook(find_rulebook(name))) if item.code in codes]


RULE = "  - id: one\n    when: P > 3\n    weight: 1\n    instruct: [ACL]\n    because: {}\n"


@pytest.mark.parametrize(
    ("because", "found"),
    [
        ("too much #overfit {T_Acc:.1%}", "warning b:10:22 CUT_OFF `#overfit {T_Acc:.1%}`"),
        ("too much # {T_Acc}, as it is", "warning b:10:22 CUT_OFF `# {T_Acc}, as it is`"),
        ("see issue #12", "note b:10:23 CUT_OFF `#12`"),
        ("too\n      much #overfit", "note b:11:11 CUT_OFF `#overfit`"),
    ],
)
def test_a_reason_that_yaml_ends_at_a_sign_is_told_with_what_is_lost(because, found):
    (said,) = told(HEAD + RULE.format(because), "CUT_OFF")
    assert said == f"{found} is a comment to YAML, and because ends before it; put the whole text in quotes"


@pytest.mark.parametrize(
    "because",
    [
        "too much   # as Table 2 has it",
        "too much # {these} are no values",
        "too much #",
        "too#much {T_Acc}",
        "'too much #overfit {T_Acc}'   # quoted {T_Acc}",
        ">\n      too much #overfit {T_Acc}",
        "too much\n    # {T_Acc} stands in the next line",
    ],
)
def test_an_ordinary_comment_is_not_taken_for_a_part_of_the_text(because):
    assert told(HEAD + RULE.format(because), "CUT_OFF") == []


def test_the_other_texts_are_looked_at_too():
    text = HEAD.replace("{ACL: {text: Add}}", "\n  ACL:\n    text: Add #layer").replace(
        "version: 1", "version: 1\nabout: a #b"
    )
    assert [said.split(" CUT_OFF")[0] for said in told(text, "CUT_OFF")] == ["note b:3:9", "note b:6:14"]


@pytest.mark.parametrize(
    ("because", "found"),
    [
        ("{V_Acc:.1f}% below", "b:10:15 `{V_Acc:.1f}%` shows a half as 0.5%; write {V_Acc:.1%}, which shows 50.0%"),
        ("at {OT} %", "b:10:18 `{OT} %` shows a half as 0.5 %; write {OT:.1%}, which shows 50.0%"),
        (
            "{F:.0f} and {TV_Acc:.0f} per cent",
            "b:10:27 `{TV_Acc:.0f} per cent` shows a half as 0 per cent; write {TV_Acc:.0%}, which shows 50%",
        ),
        ("{V_Acc:.1%} below {TV_Acc:.3f}, {F:.0f}% {{V_Acc}}%", None),
        ("{V_Acc:.2f} percentage points", None),
    ],
)
def test_a_share_with_a_per_cent_sign_behind_it_is_told_how_it_is_shown_in_per_cent(because, found):
    said = told(HEAD + RULE.format(f'"{because}"'), "NOT_IN_PERCENT")
    assert [line.replace("warning ", "").replace("NOT_IN_PERCENT ", "") for line in said] == ([found] if found else [])


@pytest.mark.parametrize(
    ("settings", "found"),
    [
        ("thresholds:\n  TS: {range: [0.05, 5]}\n", ["b:5:3 TS loses its default, which edge.yaml:25:17 sets to 1: "]),
        ("priorities: {PS: {range: [0, 5]}, PL: {default: 1}}\n", ["b:4:14 PS loses its default"]),
        ("thresholds: {TF: {range: [100, 50000]}, TV_Acc: {range: [0.5, 1]}}\n", []),
    ],
)
def test_a_setting_that_replaces_one_with_a_default_by_one_without_is_told(settings, found):
    said = told(f"rulebook: b\nversion: 1\nextends: edge\n{settings}", "DEFAULT_LOST")
    assert len(said) == len(found)
    for line, begins in zip(said, found, strict=True):
        assert line.replace("warning ", "").replace("DEFAULT_LOST ", "").startswith(begins)


def test_a_default_that_was_lost_or_came_back_in_an_extended_rulebook_is_not_told_again(tmp_path):
    (tmp_path / "base.yaml").write_text(
        "rulebook: base\nversion: 1\nextends: edge\nthresholds: {TS: {range: [0.05, 5]}, TP: {default: 3}}\n"
    )
    own = tmp_path / "own.yaml"
    again = "thresholds: {TS: {range: [1, 2]}, TP: {range: [1, 9]}}\n"
    own.write_text(f"rulebook: own\nversion: 1\nextends: base.yaml\n{again}")
    (item,) = [item for item in lint(load_rulebook(own)) if item.code == "DEFAULT_LOST"]
    assert item.message.startswith(f"TP loses its default, which {tmp_path / 'base.yaml'}:4:52 sets to 3")


EXTENDING = "rulebook: b\nversion: 1\nextends: lemonade\n"


def test_inherited_tests_that_are_left_out_are_counted_and_named():
    text = f"{EXTENDING}drop: [loosen]\n"
    (said,) = told(text, "TESTS_LEFT_OUT")
    base, own = load_rulebook(find_rulebook("lemonade")), parse_rulebook(text, "b")
    gone = [test.name for test in base.tests if test.name not in {kept.name for kept in own.tests}]
    assert gone
    assert said.startswith(f"note b:4:8 TESTS_LEFT_OUT {len(gone)} inherited test")
    assert f"about rules that are dropped: `{gone[0]}`" in said
    (said,) = told(f"{text}drop_tests: {gone[1:]}\n", "TESTS_LEFT_OUT")
    assert f"1 inherited test is left out, as it asks about rules that are dropped: `{gone[0]}`; write" in said
    assert told(f"{text}drop_tests: {gone}\n", "TESTS_LEFT_OUT") == []
    assert told(f"{text}drop_tests: all\n", "TESTS_LEFT_OUT") == []
    again = f"tests:\n  - {{name: {gone[0]!r}, given: {{P: 1}}, expect: {{not_fired: [overfitting]}}}}\n"
    assert told(f"{text}drop_tests: {gone[1:]}\n{again}", "TESTS_LEFT_OUT") == []


def test_what_an_extended_rulebook_has_left_out_is_told_only_there(tmp_path):
    (tmp_path / "base.yaml").write_text(f"{EXTENDING}drop: [loosen]\n")
    own = tmp_path / "own.yaml"
    own.write_text("rulebook: own\nversion: 1\nextends: base.yaml\n")
    assert not [item for item in lint(load_rulebook(own)) if item.code == "TESTS_LEFT_OUT"]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ("priorities:\n  PV_Acc: {default: 1}\n  PW: {default: 2}\n", ["b:5:3 UNUSED_SETTING no rule reads PW"]),
        ("thresholds:\n  TW: {default: 500}\n", ["b:4:3 UNUSED_SETTING no rule reads TW"]),
        ("thresholds:\n  TV_Acc: {default: 0.9}\n  TF: {default: 100}\n", []),  # CM is computed with TF
        ("extends: lemonade\npriorities:\n  PF: {default: 1}\n", []),
        ("extends: lemonade\npriorities:\n  PS: {range: [0, 1]}\n", ["b:5:3 UNUSED_SETTING no rule reads PS"]),
    ],
)
def test_a_setting_that_no_rule_reads_is_told_where_it_stands(settings, expected):
    instructions = "" if "extends" in settings else "instructions:\n  ACL: {text: Add}\n"
    rule = "rules:\n  - {id: low-v, when: V_Acc < TV_Acc, weight: PV_Acc, instruct: [ACL], because: low}\n"
    found = lint(parse_rulebook(f"rulebook: book\nversion: 1\n{settings}{instructions}{rule}", "b"))
    told = [f"{item.place} {item.code} {item.message}" for item in found if item.code == "UNUSED_SETTING"]
    assert [line.split(",")[0] for line in told] == expected


def test_a_setting_that_is_inherited_or_told_in_a_reason_is_no_fault():
    base = "rulebook: base\nversion: 1\npriorities:\n  PW: {default: 2}\ninstructions:\n  ACL: {text: Add}\n"
    rule = 'rules:\n  - {id: one, when: V_Acc < 0.5, weight: 1, instruct: [ACL], because: "below {TV_Acc:.1%}"}\n'
    own = f"rulebook: own\nversion: 1\nextends: base.yaml\nthresholds:\n  TV_Acc: {{default: 0.9}}\n{rule}"
    book = parse_rulebook(own, "own.yaml", [Source("base.yaml", base + rule)])
    assert [item for item in lint(book) if item.code == "UNUSED_SETTING"] == []
