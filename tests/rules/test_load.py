"""Loading rulebooks: places, codes, all problems at once, and no other error whatever the bytes."""

from __future__ import annotations

import os
import textwrap

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lemonade_es.errors import RulebookError
from lemonade_es.rules.load import MAX_BYTES, find_rulebook, load_rulebook, parse_rulebook, shipped

HEAD = """\
rulebook: small
version: 1
instructions:
  ACL: {text: Add, conflicts_with: RCL, changes: conv_layers, direction: increase}
  RCL: {text: Reduce, conflicts_with: ACL}
  AWI: {text: Initialise}
rules:
"""
RULE = "  - {id: one, when: T_Acc < TT_Acc, weight: PT_Acc, instruct: [ACL]}\n"
SHIPPED = find_rulebook("lemonade").read_text(encoding="utf-8")


def problems(text):
    with pytest.raises(RulebookError) as caught:
        parse_rulebook(text, "book.yaml")
    return [str(problem) for problem in caught.value.problems]


def codes(text):
    return [line.split()[1] for line in problems(text)]


def rules(text):
    return HEAD + textwrap.indent(textwrap.dedent(text), "  ")


def test_a_sound_file_becomes_records_that_know_their_place():
    book = parse_rulebook(
        rules("""\
            - id: gap
              when: T_Acc - V_Acc > OT
              conclude: overfitting
            - id: deep
              when: "not overfitting"
              weight: PV_Acc * 0.5
              instruct: [ACL, AWI]
              because: at {V_Acc:.1%}
              salience: -3
            """)
        + "tests:\n  - {name: it grows, given: {T_Acc: 0.5}, expect: {absent: [RCL], instructions: {ACL: 1}}}\n",
        "book.yaml",
    )
    gap, deep = book.rules
    assert (gap.id, gap.conclude, gap.weight, gap.instruct, gap.salience) == ("gap", "overfitting", None, (), 0)
    assert (deep.instruct, deep.salience, deep.because) == (("ACL", "AWI"), -3, "at {V_Acc:.1%}")
    assert str(gap.when.place) == "book.yaml:9:11"
    assert str(deep.when.place) == "book.yaml:12:12"
    assert deep.weight.number({"PV_Acc": 1.0}) == 0.5
    assert book.combine == "sum"
    assert book.instructions["ACL"].conflicts_with == "RCL"
    assert book.tests[0].fired is None
    assert book.tests[0].instructions == {"ACL": 1.0}
    assert len(book.digest) == 64


def test_a_number_may_stand_for_a_weight():
    book = parse_rulebook(HEAD + "  - {id: one, when: failed, weight: 2, instruct: [AWI]}\n", "b")
    assert book.rules[0].weight.number({}) == 2.0


def test_a_file_with_problems_of_every_kind_reports_all_of_them_in_order():
    text = rules("""\
        - id: one
          whn: T_Acc < 1
          when: V_Ac < TV_Acc
          weight: PV_Acc +
          instruct: [ACL, ACM]
          because: "{VAcc}"
        - id: one
          when: faild
          conclude: T_Acc
        """)
    assert [line.split(" ", 2)[:2] for line in problems(text)] == [
        ["book.yaml:9:5", "UNKNOWN_KEY"],
        ["book.yaml:10:11", "UNKNOWN_NAME"],
        ["book.yaml:11:21", "EXPRESSION_SYNTAX"],
        ["book.yaml:12:21", "UNKNOWN_INSTRUCTION"],
        ["book.yaml:13:15", "BAD_PLACEHOLDER"],
        ["book.yaml:14:9", "DUPLICATE_RULE"],
        ["book.yaml:15:11", "UNKNOWN_NAME"],
        ["book.yaml:16:15", "BAD_CONCLUSION"],
        ["book.yaml:16:15", "BAD_NAME"],
    ]
    told = "\n".join(problems(text))
    for meant in ("when", "V_Acc", "ACL", "{V_Acc}", "failed"):
        assert f"did you mean {meant}?" in told


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "  - {id: one, when: failed, weight: 1, instruct: [acl]}\n",
        HEAD + "  - {id: one, when: failed, weight: 1, instruct: [ACL AWI]}\n",
        HEAD.replace("conflicts_with: RCL", "conflicts_with: rcl").replace(", conflicts_with: ACL", "") + RULE,
        HEAD + RULE + "tests: [{name: x, given: {}, expect: {absent: [Add a layer]}}]\n",
        HEAD + RULE + "tests: [{name: x, given: {}, expect: {fired: [number one]}}]\n",
    ],
)
def test_a_name_that_stands_for_nothing_is_one_problem_though_it_has_no_form_of_a_name(text):
    (told,) = problems(text)
    assert told.split()[1] in ("UNKNOWN_INSTRUCTION", "UNKNOWN_RULE")


@pytest.mark.parametrize(
    ("text", "advice"),
    [
        ('a: "open\nb: 2\n', "a quote that opens here is never closed"),
        ("because: training accuracy: low\n", "put a text that holds a colon in quotes"),
        ("a: 1\n\tb: 2\n", "this is a tab; write blanks in its place"),
        ("a: {T_Acc:.1%} is low\n", "put a text that begins with a bracket or a quote in quotes as a whole"),
        (HEAD + "  - {id: one, when: 'T_Acc < 0,5', weight: 1, instruct: [ACL]}\n", "write numbers with a point"),
    ],
)
def test_what_is_easily_got_wrong_is_told_with_its_cure(text, advice):
    with pytest.raises(RulebookError) as caught:
        parse_rulebook(text, "book.yaml")
    assert advice in str(caught.value)


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        ("", "EMPTY_FILE", "1:1"),
        ("# only a comment\n", "EMPTY_FILE", "1:1"),
        ("just words", "WRONG_TYPE", "1:1"),
        ("- a\n- b\n", "WRONG_TYPE", "1:1"),
        ("a: [1, 2", "YAML_SYNTAX", "1:9"),
        ('b: 1\na: "open\nc: 2\n', "YAML_SYNTAX", "2:4"),
        ("a: b: c", "YAML_SYNTAX", "1:5"),
        ("a: \x07", "YAML_SYNTAX", "1:4"),
        ('a: "\\UFFFFFFFF"', "YAML_SYNTAX", "1:1"),
        ("a: &x 1\nb: *x\n", "YAML_ANCHOR", "1:4"),
        ("a: !!python/object/apply:os.system [ls]\n", "YAML_TAG", "1:4"),
        ("%YAML 1.1\n---\na: 1\n", "YAML_DIRECTIVE", "2:1"),
        ("a: 1\n---\nb: 2\n", "MANY_DOCUMENTS", "2:1"),
        ("a: .nan", "BAD_NUMBER", "1:4"),
        ("a: " + "9" * 5000, "BAD_NUMBER", "1:4"),
        ("? [a, b]\n: c\n", "BAD_KEY", "1:3"),
        ("a: " + "[" * 400, "TOO_DEEP", "1:16"),
        (HEAD + "  - {id: one, when: , weight: 1, instruct: [ACL]}\n", "WRONG_TYPE", "8:15"),
        (HEAD + "  - id: one\n    when:  # what?\n\n    weight: 1\n    instruct: [ACL]\n", "WRONG_TYPE", "9:5"),
        (HEAD + RULE + "version: 2\n", "DUPLICATE_KEY", "9:1"),
        (HEAD + RULE + "rules2: 2\n", "UNKNOWN_KEY", "9:1"),
        (HEAD + RULE + "max_instructions: 3.0\n", "WRONG_TYPE", "9:19"),
        (HEAD + "  - {id: one, when: failed, weight: 1, instruct: [ACL], salience: 5.0}\n", "WRONG_TYPE", "8:67"),
        (HEAD + '  - {id: "one\\n", when: failed, weight: 1, instruct: [ACL]}\n', "BAD_NAME", "8:10"),
        (HEAD + "  []\n", "EMPTY", "8:3"),
        (HEAD.replace("version: 1\n", "") + RULE, "MISSING_KEY", "1:1"),
        (HEAD.replace("version: 1", "version: one") + RULE, "WRONG_TYPE", "2:10"),
        (HEAD.replace("version: 1", "version: 0") + RULE, "OUT_OF_RANGE", "2:10"),
        (HEAD + RULE + "combine: summ\n", "NOT_A_CHOICE", "9:10"),
        (HEAD.replace("conv_layers", "conv_layer") + RULE, "NOT_A_CHOICE", "4:50"),
        (HEAD.replace(", direction: increase", "") + RULE, "MISSING_KEY", "4:41"),
        (HEAD.replace(", conflicts_with: ACL", "") + RULE, "ONE_SIDED_CONFLICT", "4:36"),
        (HEAD.replace("conflicts_with: ACL", "conflicts_with: RCL") + RULE, "SELF_CONFLICT", "5:39"),
        (HEAD.replace("conflicts_with: ACL", "conflicts_with: ABL") + RULE, "UNKNOWN_INSTRUCTION", "5:39"),
        (HEAD.replace("AWI:", "awi:") + RULE, "BAD_NAME", "6:3"),
        (HEAD + "  - {id: one, when: failed}\n", "NO_EFFECT", "8:5"),
        (HEAD + "  - {id: one, when: failed, instruct: [ACL]}\n", "MISSING_KEY", "8:29"),
        (HEAD + "  - {id: one, when: failed, conclude: a, weight: 1}\n", "MISSING_KEY", "8:42"),
        (HEAD + "  - {id: one, conclude: a}\n", "MISSING_KEY", "8:5"),
        (HEAD + "  - {id: one, when: true, conclude: a}\n", "WRONG_TYPE", "8:21"),
        (HEAD + "  - {id: one, when: failed, conclude: min}\n", "BAD_CONCLUSION", "8:39"),
        (HEAD + "  - {id: one, when: T_Acc, conclude: a}\n", "NOT_A_CONDITION", "8:21"),
        (HEAD + "  - {id: one, when: 'T_Acc < TT_Ac', conclude: a}\n", "UNKNOWN_NAME", "8:30"),
        (HEAD + "  - {id: one, when: failed, weight: failed > 0, instruct: [ACL]}\n", "NOT_A_NUMBER", "8:37"),
        (HEAD + "  - {id: one, when: failed, weight: 1, instruct: [ACL, ACL]}\n", "DUPLICATE_ITEM", "8:50"),
        (HEAD + "  - {id: one, when: not a, conclude: a}\n", "CONCLUSION_LOOP", "8:21"),
        (HEAD + RULE + "tests: [{name: x, given: {VAcc: 1}, expect: {fired: []}}]\n", "UNKNOWN_KEY", "9:27"),
        (HEAD + RULE + "tests: [{name: x, given: {V_Acc: 2}, expect: {fired: []}}]\n", "OUT_OF_RANGE", "9:34"),
        (HEAD + RULE + "tests: [{name: x, given: {}, expect: {fired: [on]}}]\n", "UNKNOWN_RULE", "9:47"),
        (HEAD + RULE + "tests: [{name: x, given: {}, expect: {absent: [X]}}]\n", "UNKNOWN_INSTRUCTION", "9:48"),
        (
            HEAD + RULE + "tests: [{name: x, given: {}, expect: {instructions: {X: 1}}}]\n",
            "UNKNOWN_INSTRUCTION",
            "9:54",
        ),
        (HEAD + RULE + "tests: [{name: x, given: {}, expect: {}}]\n", "EMPTY", "9:38"),
        (HEAD + RULE + "tests: [{name: x, given: {}, expect: {not_fired: []}}]\n", "EMPTY", "9:50"),
        (HEAD + RULE + "tests: [{name: x, given: {}, expect: {absent: []}}]\n", "EMPTY", "9:47"),
        (HEAD + RULE + "tests: [{name: x, given: {}, expect: {instructions: {ACL: 0}}}]\n", "OUT_OF_RANGE", "9:59"),
        (HEAD + RULE + "tests: [{name: x, given: {}, expect: {instructions: {ACL: -1}}}]\n", "OUT_OF_RANGE", "9:59"),
    ],
)
def test_each_problem_has_its_code_and_its_place(text, code, place):
    assert any(line.startswith(f"book.yaml:{place} {code} ") for line in problems(text)), problems(text)


def test_an_expected_weight_that_is_never_left_is_told_what_to_write():
    (line,) = problems(HEAD + RULE + "tests: [{name: x, given: {}, expect: {instructions: {ACL: 0}}}]\n")
    assert line.endswith(" ACL must be above 0, found 0; if it is not left, write `absent: [ACL]`")


@pytest.mark.parametrize(
    ("expected", "told"),
    [
        ("instructions: {RCL: 1, ACL: 1}, absent: [AWI, ACL]", "ACL stands under instructions and absent"),
        ("fired: [one], not_fired: [one]", "one stands under fired and not_fired"),
    ],
)
def test_a_test_that_could_never_pass_is_refused(expected, told):
    (line,) = problems(HEAD + RULE + f"tests: [{{name: x, given: {{}}, expect: {{{expected}}}}}]\n")
    place = f"book.yaml:9:{39 + expected.rindex(told.split()[0])}"
    assert line == f"{place} IMPOSSIBLE_TEST {told}, so that the test could never pass; remove one"


@pytest.mark.parametrize("expected", ["fired: [], not_fired: [one]", "instructions: {}, absent: [ACL]"])
def test_a_test_may_expect_the_same_twice(expected):
    text = HEAD + RULE + f"tests: [{{name: x, given: {{}}, expect: {{{expected}}}}}]\n"
    assert len(parse_rulebook(text, "book.yaml").tests) == 1


def test_a_loop_over_several_rules_is_told_with_its_conclusions():
    text = rules("""\
        - {id: one, when: not b, conclude: a}
        - {id: two, when: failed or a, conclude: b}
        """)
    (line,) = problems(text)
    assert "CONCLUSION_LOOP" in line
    assert "a -> b -> a" in line or "b -> a -> b" in line


def test_words_stay_words_and_numbers_numbers():
    text = HEAD.replace("text: Add,", "text: NO,") + RULE
    text += "tests: [{name: off, given: {TT_E: 1e-3}, expect: {absent: [ACL]}}]\n"
    book = parse_rulebook(text, "b")
    assert book.instructions["ACL"].text == "NO"
    assert book.tests[0].given == {"TT_E": 0.001}


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"\xff\xfe\x00\x01", "NOT_TEXT"),
        (b"rulebook: a\nversion: \xe9\n", ":2:10 NOT_TEXT byte 0xe9"),
        (b"\xef\xbb\xbf# gr\xc3\xb6\xc3\x9fer\r# gr\xc3\xb6\xdf\n", ":2:6 NOT_TEXT byte 0xdf"),
        (b"#" * (MAX_BYTES + 1), "larger than"),
    ],
)
def test_a_file_that_is_no_text_is_refused(tmp_path, data, said):
    path = tmp_path / "book.yaml"
    path.write_bytes(data)
    with pytest.raises(RulebookError) as caught:
        load_rulebook(path)
    assert said in str(caught.value)


def test_a_byte_order_mark_and_windows_lines_do_not_matter(tmp_path):
    path = tmp_path / "book.yaml"
    path.write_bytes(b"\xef\xbb\xbf" + (HEAD + RULE).replace("\n", "\r\n").encode())
    assert load_rulebook(path).rules[0].id == "one"


def test_folders_and_missing_files_are_refused(tmp_path):
    with pytest.raises(RulebookError, match="folder"):
        load_rulebook(tmp_path)
    with pytest.raises(RulebookError, match="No such file"):
        load_rulebook(tmp_path / "none.yaml")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_refused(tmp_path):
    path = tmp_path / "book.yaml"
    path.touch(mode=0)
    with pytest.raises(RulebookError, match="Permission"):
        load_rulebook(path)


def test_a_file_whose_suffix_was_forgotten_is_proposed(tmp_path, monkeypatch):
    (tmp_path / "base.yaml").write_text(SHIPPED, encoding="utf-8")
    book = tmp_path / "book.yaml"
    book.write_text("rulebook: book\nversion: 1\nextends: base\n", encoding="utf-8")
    with pytest.raises(RulebookError) as caught:
        load_rulebook(book)
    assert "no rulebook is called 'base'; did you mean base.yaml? (" in str(caught.value)
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RulebookError, match=r"called 'book'; did you mean book\.yaml\?"):
        find_rulebook("book")


def test_shipped_rulebooks_are_found_by_name_and_files_by_path(tmp_path):
    assert "lemonade" in shipped()
    assert find_rulebook("lemonade").name == "lemonade.yaml"
    path = tmp_path / "mine.yaml"
    path.write_text(HEAD + RULE, encoding="utf-8")
    assert find_rulebook(str(path)) == path


def test_an_unknown_rulebook_is_told_with_what_was_meant():
    with pytest.raises(RulebookError, match=r"did you mean lemonade\? \(shipped are .*lemonade"):
        find_rulebook("lemonad")
    with pytest.raises(RulebookError, match=r"there is no file 'no/such\.yaml'"):
        find_rulebook("no/such.yaml")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_a_mangled_rulebook_is_loaded_or_refused_with_problems(data):
    text = data.draw(st.sampled_from([HEAD + RULE, SHIPPED[:1500], HEAD + RULE + SHIPPED[-900:]]))
    for _ in range(data.draw(st.integers(1, 4))):
        start = data.draw(st.integers(0, len(text)))
        end = min(len(text), start + data.draw(st.integers(0, 12)))
        junk = data.draw(
            st.one_of(
                st.text(max_size=8),
                st.sampled_from(
                    ["&a ", "*a", "!!x ", "{", "}", "[", "]", ": ", "- ", "|", ">", "'", '"', "\t", "? ", "%"]
                ),
            )
        )
        text = text[:start] + junk + text[end:]
    try:
        assert parse_rulebook(text, "b").rules
    except RulebookError as error:
        found = tuple(map(str, error.problems))
    else:
        found = ("b:",)
    assert found
    assert all(line.startswith("b:") for line in found)


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_whatever_cause_another_error(tmp_path_factory, data):
    path = tmp_path_factory.mktemp("any") / "book.yaml"
    path.write_bytes(data)
    with pytest.raises(RulebookError):
        load_rulebook(path)


def test_places_in_a_shipped_rulebook_are_the_same_on_every_machine():
    book = load_rulebook(find_rulebook("lemonade"))
    assert book.file == "lemonade.yaml"
    assert str(book.rules[0].place).startswith("lemonade.yaml:")


def test_places_in_a_users_rulebook_have_the_path_that_was_given(tmp_path):
    path = tmp_path / "lemonade.yaml"
    path.write_text(HEAD + RULE)
    assert load_rulebook(path).file == str(path)


@pytest.mark.parametrize(
    ("written", "place"),
    [
        ("when: >\n      V_Acc < 0.5\n      and T_Ac < 1", "11:11"),
        ("when: |2-\n\n       V_Acc < 0.5 and\n         T_Ac < 1", "12:10"),
        ("when: V_Acc < 0.5\n\n      and T_Ac < 1  # so far", "11:11"),
        ("when: 'V_Acc < 0.5\n      and T_Ac < 1'", "10:11"),
        ("when:\n      V_Acc < 0.5 and T_Ac < 1", "10:23"),
        ('when: "V_Acc \\x3c 0.5 and T_Ac < 1"', "9:11"),  # escaped: nobody counts these columns
    ],
)
def test_a_condition_over_several_lines_is_pointed_into(written, place):
    text = f"{HEAD}  - id: one\n    {written}\n    weight: 1\n    instruct: [ACL]\n"
    for ends in ("\n", "\r\n"):
        told = problems(text.replace("\n", ends))
        assert [line.split(" ", 2)[:2] for line in told] == [[f"book.yaml:{place}", "UNKNOWN_NAME"]]


def test_values_that_cannot_be_read_do_not_hide_what_else_is_wrong():
    text = HEAD + "  - {id: one, when: V_Ac < 1, weight: .inf, instruct: [!!str ACX]}\n  - {id: two, when: T_Ac < 1}\n"
    codes = [line.split(" ", 2)[1] for line in problems(text)]
    assert codes == ["UNKNOWN_NAME", "BAD_NUMBER", "YAML_TAG", "NO_EFFECT", "UNKNOWN_NAME"]


def test_two_tests_of_one_name_are_a_problem():
    tests = "tests:\n" + "  - {name: same, given: {V_Acc: 0.5}, expect: {absent: [ACL]}}\n" * 2
    assert [line.split(" ", 1)[0] for line in problems(HEAD + RULE + tests)] == ["book.yaml:11:12"]


@pytest.mark.parametrize(
    ("section", "name", "told"),
    [
        ("thresholds", "PV_Acc", "it is a priority: move it to priorities"),
        ("priorities", "TF", "it is a threshold: move it to thresholds"),
        ("thresholds", "V_Acc", "it is measured, and no setting"),
        ("priorities", "WA", "only --set and presets set it"),
    ],
)
def test_a_setting_in_the_wrong_section_is_told_the_right_one(section, name, told):
    (line,) = problems(f"{HEAD}{RULE}{section}:\n  {name}: {{default: 1}}\n")
    assert line == f"book.yaml:10:3 UNKNOWN_KEY {name!r} is not a key here; {told}"
