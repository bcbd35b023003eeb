"""Rulebooks that extend others."""

from __future__ import annotations

from pathlib import Path

import pytest

from lemonade_es.errors import RulebookError
from lemonade_es.rules.lint import lint
from lemonade_es.rules.load import load_rulebook, parse_rulebook
from lemonade_es.rules.rulebook import Source

BASE = """\
rulebook: base
version: 3
combine: max
max_instructions: 4
thresholds: {OT: {default: 0.2, range: [0.1, 0.3]}, UT: {default: 0.01}}
instructions:
  ACL: {text: Add, conflicts_with: RCL}
  RCL: {text: Reduce, conflicts_with: ACL}
rules:
  - {id: over, when: T_Acc - V_Acc > OT, conclude: overfitting}
  - {id: low, when: V_Acc < TV_Acc, weight: PV_Acc, instruct: [ACL]}
  - {id: calm, when: overfitting, weight: 1, instruct: [RCL]}
tests:
  - {name: low, given: {V_Acc: 0.5}, expect: {fired: [low]}}
  - {name: over, given: {T_Acc: 0.9, V_Acc: 0.5}, expect: {fired: [over, calm]}}
"""
HEAD = "rulebook: own\nversion: 1\nextends: base.yaml\n"


@pytest.fixture
def book(tmp_path, monkeypatch):
    """A rulebook of its own text that extends BASE."""
    (tmp_path / "base.yaml").write_text(BASE)

    def load(text, head=HEAD):
        (tmp_path / "own.yaml").write_text(head + text)
        return load_rulebook(Path("own.yaml"))

    monkeypatch.chdir(tmp_path)
    return load


def refused(book, text, head=HEAD):
    with pytest.raises(RulebookError) as caught:
        book(text, head)
    return list(map(str, caught.value.problems))


def test_all_of_the_base_comes_along(book):
    own = book("")
    assert (own.name, own.version, own.combine, own.max_instructions) == ("own", 1, "max", 4)
    assert [rule.id for rule in own.rules] == ["over", "low", "calm"]
    assert list(own.instructions) == ["ACL", "RCL"]
    assert [test.name for test in own.tests] == ["low", "over"]
    assert own.defaults == {"OT": 0.2, "UT": 0.01}
    assert own.ranges == {"OT": (0.1, 0.3)}


def test_what_the_own_file_says_wins(book):
    own = book("combine: sum\nmax_instructions: 2\nthresholds: {OT: {default: 0.05}}\npriorities: {PS: {default: 1}}\n")
    assert (own.combine, own.max_instructions) == ("sum", 2)
    assert own.defaults == {"OT": 0.05, "UT": 0.01, "PS": 1.0}
    assert own.ranges == {}


def test_rules_are_added_after_the_base_and_overridden_in_their_position(book):
    own = book(
        "rules:\n"
        "  - {id: more, when: T_Acc < 0.5, weight: 1, instruct: [ACL]}\n"
        "  - {id: low, when: V_Acc < 0.3, weight: 2, instruct: [ACL]}\n"
    )
    assert [rule.id for rule in own.rules] == ["over", "low", "calm", "more"]
    assert own.rules[1].when.source == "V_Acc < 0.3"
    assert [rule.place.file for rule in own.rules] == ["base.yaml", "own.yaml", "base.yaml", "own.yaml"]


def test_a_dropped_rule_takes_the_tests_that_name_it_along(book):
    own = book("drop: [calm]\n")
    assert [rule.id for rule in own.rules] == ["over", "low"]
    assert [test.name for test in own.tests] == ["low"]


def test_a_rule_that_is_dropped_and_written_anew_comes_last_and_keeps_its_tests(book):
    own = book("drop: [low, calm]\nrules:\n  - {id: low, when: V_Acc < 0.8, weight: 2, instruct: [ACL]}\n")
    assert [rule.id for rule in own.rules] == ["over", "low"]
    assert [test.name for test in own.tests] == ["low"]
    assert not [item for item in lint(own) if "`low`" in item.message and item.code == "TESTS_LEFT_OUT"]


@pytest.mark.parametrize(("drop", "left"), [("all", []), ("[low]", ["over"])])
def test_tests_of_the_base_can_be_dropped(book, drop, left):
    assert [test.name for test in book(f"drop_tests: {drop}\n").tests] == left


def test_a_test_of_the_same_name_overrides_the_one_of_the_base(book):
    own = book("tests:\n  - {name: low, given: {V_Acc: 0.999}, expect: {not_fired: [low]}}\n")
    assert [test.name for test in own.tests] == ["low", "over"]
    assert own.tests[0].not_fired == ("low",)


def test_a_problem_in_the_base_has_its_place_there(tmp_path, book):
    (tmp_path / "base.yaml").write_text(BASE.replace("V_Acc < TV_Acc", "V_Acc < TV_Acx"))
    with pytest.raises(RulebookError) as caught:
        book("rules:\n  - {id: more, when: T_Ac < 0.5, weight: 1, instruct: [ACL]}\n")
    told = [str(problem) for problem in caught.value.problems]
    assert told[0].startswith("own.yaml:5:22 UNKNOWN_NAME")
    assert told[1].startswith("base.yaml:11:29 UNKNOWN_NAME")


def test_dropping_a_conclusion_that_is_still_read_is_refused_where_it_is_dropped(book):
    (told,) = refused(book, "drop: [over]\n")
    assert told.startswith("own.yaml:4:8 DROPPED_CONCLUSION calm (base.yaml:12:5) reads overfitting")


def test_replacing_the_rule_that_draws_a_conclusion_by_one_that_does_not_is_told_there(book):
    rule = "rules:\n  - {id: over, when: T_Acc - V_Acc > 0.2, weight: 1, instruct: [RCL]}\n"
    (told,) = refused(book, rule)
    reads = "own.yaml:5:5 DROPPED_CONCLUSION calm (base.yaml:12:5) reads overfitting, which no rule draws any more"
    assert told == f"{reads}; `conclude: overfitting` here draws it again"


def test_another_rule_may_draw_what_a_replaced_one_drew(book):
    again = "  - {id: gap, when: T_Acc - V_Acc > 0.5, conclude: overfitting}\n"
    own = book("rules:\n  - {id: over, when: T_Acc - V_Acc > 0.2, weight: 1, instruct: [RCL]}\n" + again)
    assert [rule.id for rule in own.rules] == ["over", "low", "calm", "gap"]


def test_another_rule_may_draw_a_dropped_conclusion(book):
    own = book("drop: [over]\nrules:\n  - {id: gap, when: T_Acc - V_Acc > 0.5, conclude: overfitting}\n")
    assert [rule.id for rule in own.rules] == ["low", "calm", "gap"]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("drop: [lo]\n", "own.yaml:4:8 UNKNOWN_RULE the extended rulebook has no rule 'lo' to drop; did you mean low?"),
        ("drop_tests: [ovr]\n", "own.yaml:4:14 UNKNOWN_TEST the extended rulebook has no test 'ovr' to drop; did you"),
        ("drop_tests: some\n", "own.yaml:4:13 WRONG_TYPE drop_tests must be `all` or a list of tests, found 'some'"),
        ("max_instructions: 0\n", "own.yaml:4:19 OUT_OF_RANGE max_instructions must be at least 1, found 0"),
        ("thresholds: {OX: {default: 1}}\n", "own.yaml:4:14 UNKNOWN_KEY 'OX' is not a key here; did you mean OT?"),
        ("thresholds: {OT: {range: [0.1]}}\n", "own.yaml:4:26 BAD_RANGE a range is two numbers"),
        ("thresholds: {OT: {range: [0.3, 0.1]}}\n", "own.yaml:4:19 BAD_RANGE the range of OT begins above its end"),
        ("thresholds: {OT: {range: [0.3, 0.4]}}\n", "own.yaml:4:19 BAD_RANGE 0.1, the default of OT, lies outside"),
        ("thresholds: {OT: {default: 7}}\n", "own.yaml:4:28 OUT_OF_RANGE default must be at most 1, found 7"),
    ],
)
def test_what_cannot_be_is_told_with_its_place(book, text, told):
    assert any(line.startswith(told) for line in refused(book, text)), refused(book, text)


def test_drop_needs_something_to_drop_from(book):
    text = "rulebook: own\nversion: 1\ndrop: [x]\ninstructions: {ACL: {text: A}}\n"
    rules = "rules: [{id: a, when: T_Acc < 1, weight: 1, instruct: [ACL]}]\n"
    assert refused(book, text + rules, head="") == ["own.yaml:3:1 MISSING_KEY 'drop' needs 'extends' beside it"]


@pytest.mark.parametrize("name", ["missing.yaml", "lemonad", "folder/"])
def test_a_base_that_is_not_there_is_told_at_its_name(book, name):
    (told,) = refused(book, "", head=f"rulebook: own\nversion: 1\nextends: {name}\n")
    assert told.startswith("own.yaml:3:10 NO_BASE cannot extend"), told


def test_a_rulebook_cannot_extend_itself(tmp_path, book):
    (tmp_path / "base.yaml").write_text("rulebook: base\nversion: 1\nextends: own.yaml\n")
    with pytest.raises(RulebookError) as caught:
        book("")
    (told,) = map(str, caught.value.problems)
    assert told.startswith("base.yaml:3:10 EXTENDS_LOOP")


def test_a_namesake_of_a_shipped_rulebook_may_extend_it(tmp_path, book):
    book("")
    (tmp_path / "lemonade.yaml").write_text("rulebook: mine\nversion: 1\nextends: lemonade\n")
    assert load_rulebook(Path("lemonade.yaml")).rules
    last = book("", head="rulebook: own\nversion: 1\nextends: lemonade.yaml\n")
    assert [source.file for source in last.sources] == ["own.yaml", "lemonade.yaml", "shipped/lemonade.yaml"]


def test_what_else_is_called_like_a_shipped_rulebook_does_not_hide_it(tmp_path, book):
    (tmp_path / "lemonade").write_text("hello")
    assert book("", head="rulebook: own\nversion: 1\nextends: lemonade\n").rules


def test_a_chain_that_is_too_long_is_no_loop_and_not_called_one(tmp_path, book):
    for number in range(1, 9):
        (tmp_path / f"b{number}.yaml").write_text(f"rulebook: b\nversion: 1\nextends: b{number + 1}.yaml\n")
    (tmp_path / "b9.yaml").write_text(BASE)
    (told,) = refused(book, "", head="rulebook: own\nversion: 1\nextends: b1.yaml\n")
    assert "a rulebook may rest on 7 others at most" in told


def test_a_shipped_rulebook_is_extended_by_its_name(book):
    own = book("", head="rulebook: own\nversion: 1\nextends: lemonade\n")
    assert [source.file for source in own.sources] == ["own.yaml", "lemonade.yaml"]
    assert own.rules[0].place.file == "lemonade.yaml"


def test_a_rulebook_is_read_again_from_its_sources_alone(book, tmp_path):
    own = book("drop: [calm]\n")
    (tmp_path / "base.yaml").unlink()
    (tmp_path / "own.yaml").unlink()
    first, *others = own.sources
    again = parse_rulebook(first.text, first.file, others)
    assert again == own
    assert again.digest == own.digest


def test_the_digest_covers_the_base(book, tmp_path):
    before = book("").digest
    (tmp_path / "base.yaml").write_text(BASE.replace("version: 3", "version: 4"))
    assert load_rulebook(Path("own.yaml")).digest != before


def test_the_sources_of_a_rulebook_are_records():
    own = parse_rulebook("rulebook: own\nversion: 1\nextends: lemonade\n", "own.yaml")
    assert all(isinstance(source, Source) for source in own.sources)


def test_a_rulebook_that_extends_itself_by_another_spelling_of_its_path_is_told_so(tmp_path, book):
    (told,) = refused(book, "", head=f"rulebook: own\nversion: 1\nextends: ../{tmp_path.name}/own.yaml\n")
    assert told.count(" extends ") == 2
    assert "EXTENDS_LOOP" in told
