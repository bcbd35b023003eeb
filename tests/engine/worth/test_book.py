"""The text of a rulebook with learned weights."""

from __future__ import annotations

import pytest

from lemonade_es.engine.expert.selftest import selftest
from lemonade_es.engine.worth.book import scaled, tuned_rulebook
from lemonade_es.engine.worth.tuning import Learned, Tuning
from lemonade_es.rules.expression import parse_expression
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook
from lemonade_es.rules.problem import Place

LEMONADE = load_rulebook(find_rulebook("lemonade"))


def row(rule, factor, steps=12):
    return Learned(rule, steps, 0.75, 0.75, 0.75 * factor, 0.1, 1.9, factor)


def tuned(*rows, failures=0, pruned=0):
    text = tuned_rulebook(LEMONADE, Tuning(rows, 2, 30, failures, 0.08, pruned))
    return text, parse_rulebook(text, "tuned.yaml", LEMONADE.sources)


@pytest.mark.parametrize(
    ("weight", "written"),
    [
        ("PV_Acc", "PV_Acc * 2"),
        ("PV_Acc * 0.75", "PV_Acc * 1.5"),
        ("0.25 * PV_Acc", "PV_Acc * 0.5"),
        ("2", "4"),
        ("PV_Acc + PF", "(PV_Acc + PF) * 2"),
        ("max(PF, PS)", "max(PF, PS) * 2"),
        ("PF / 2", "(PF / 2) * 2"),
        ("(PV_Acc + 1) * 0.5", "((PV_Acc + 1) * 0.5) * 2"),
        ("2 * (PV_Acc + 1)", "(2 * (PV_Acc + 1)) * 2"),
    ],
)
def test_a_weight_takes_a_factor_in(weight, written):
    problems = []
    expression = parse_expression(weight, Place("x.yaml", 1, 1), "number", (), problems)
    assert problems == []
    assert scaled(expression, 2.0) == written


def test_the_tuned_rulebook_loads_passes_its_tests_and_differs_in_the_learned_weights_alone():
    text, book = tuned(row("refine", 1.2), row("generalise", 1.0), failures=3, pruned=4)
    assert book.name == "lemonade-tuned"
    assert all(result.passed for result in selftest(book))
    changed = [
        (old.id, new.weight.source)
        for old, new in zip(LEMONADE.rules, book.rules, strict=True)
        if (old.weight and old.weight.source) != (new.weight and new.weight.source)
    ]
    assert changed == [("refine", "PV_Acc * 0.9")]
    for old, new in zip(LEMONADE.rules, book.rules, strict=True):
        assert (old.id, old.when.source, old.instruct, old.because, old.salience) == (
            new.id,
            new.when.source,
            new.instruct,
            new.because,
            new.salience,
        )
    assert "12 steps: effect 0.90 [0.10, 1.90], was 0.75" in text
    assert "3 steps led to a network that could not be trained" in text
    assert "4 steps led to a network whose training was stopped as hopeless" in text
    assert "12 steps of generalise" in text


@pytest.mark.parametrize("name", ["null", "true", "broken"])
def test_a_condition_that_yaml_would_take_for_no_text_is_quoted(name):
    own = parse_rulebook(
        "rulebook: own\nversion: 1\ninstructions: {ACL: {text: Add}}\nrules:\n"
        f"  - {{id: a, when: F > 1, conclude: '{name}'}}\n"
        f"  - {{id: b, when: '{name}', weight: 1, instruct: [ACL]}}\n",
        "own.yaml",
    )
    text = tuned_rulebook(own, Tuning((row("b", 1.2),), 2, 30, 0, 0.08, 0))
    (_, rule) = parse_rulebook(text, "tuned.yaml", own.sources).rules
    assert (rule.when.source, rule.weight.source) == (name, "1.2")


def test_a_weight_that_others_oppose_is_told_with_what_they_leave_of_it():
    text, book = tuned(Learned("try-wider", 9, 4.25, 0.25, 0.5, 0.1, 0.9, 1.0588))
    assert "# 9 steps: effect 0.50 [0.10, 0.90], was 0.25;" in text
    assert "# that is what rules against it leave of 4.25, and what changes;" in text
    (weight,) = (rule.weight for rule in book.rules if rule.id == "try-wider")
    assert weight.source == "PV_Acc * 4.5"


def test_a_large_weight_keeps_its_digits_after_the_point():
    expression = parse_expression("PV_Acc * 40.25", Place("x.yaml", 1, 1), "number", (), [])
    assert scaled(expression, 1.0062) == "PV_Acc * 40.5"
    assert scaled(expression, 1.0) == "PV_Acc * 40.25"


def test_tests_that_promise_the_old_weights_are_left_behind_by_name():
    text, book = tuned(row("refine", 1.2))
    kept = {test.name for test in book.tests}
    dropped = {test.name for test in LEMONADE.tests} - kept
    assert dropped
    assert all(f'  - "{name}"' in text for name in dropped)
    assert kept


@pytest.mark.parametrize(
    ("file", "own", "base"),
    [
        ("lemonade.yaml", False, "lemonade"),
        ("lemonade.yaml", True, "lemonade.yaml"),
        ("books/lemonade.yaml", True, "lemonade.yaml"),
        ("mine.yml", True, "mine.yml"),
        ("mine", True, "mine"),
        ("lemonade-tuned.yaml", True, "lemonade-tuned.yaml"),
    ],
)
def test_the_tuned_rulebook_extends_the_one_that_advised_and_no_namesake(file, own, base):
    text = LEMONADE.sources[0].text
    book = parse_rulebook(f"{text}# changed\n" if own else text, file)
    printed = tuned_rulebook(book, Tuning((row("refine", 1.2),), 2, 30, 0, 0.08))
    assert f"extends: {base}\n" in printed


def test_a_weight_of_several_lines_is_told_in_one():
    text = LEMONADE.sources[0].text
    old = "    weight: PV_Acc * 0.75\n    instruct: [ASC, AWI]"
    assert old in text
    book = parse_rulebook(text.replace(old, old.replace("PV_Acc * 0.75", "|\n      PV_Acc\n      * 0.75")), "own.yaml")
    printed = tuned_rulebook(book, Tuning((row("refine", 1.2),), 2, 30, 0, 0.08))
    assert "weight x 1.2, was PV_Acc * 0.75\n" in printed
    assert parse_rulebook(printed, "tuned.yaml", book.sources).name == "lemonade-tuned"


@pytest.mark.parametrize(("name", "word"), [("2024", "NULL"), ("1e5", "TRUE"), ("true", "AL")])
def test_names_that_yaml_takes_for_something_else_are_written_as_names(name, word):
    text = f"""rulebook: own
version: 1
instructions:
  "{word}": {{text: add a layer}}
rules:
  - id: "{name}"
    when: V_Acc < 0.5
    weight: 1
    instruct: ["{word}"]
"""
    book = parse_rulebook(text, "own.yaml")
    printed = tuned_rulebook(book, Tuning((row(name, 1.2),), 2, 30, 0, 0.08))
    assert [(rule.id, rule.instruct) for rule in parse_rulebook(printed, "tuned.yaml", book.sources).rules] == [
        (name, (word,))
    ]


def test_where_nothing_was_learned_the_rulebook_is_the_old_one():
    text, book = tuned(row("refine", 1.0))
    assert "drop_tests" not in text
    assert [rule.id for rule in book.rules] == [rule.id for rule in LEMONADE.rules]


@pytest.mark.parametrize("name", ["\N{ROCKET} grows", "wächst", "true"])
def test_a_test_that_is_left_behind_is_named_so_that_it_can_be_read_again(name):
    text = f"""rulebook: own
version: 1
instructions:
  ACL: {{text: add a layer}}
rules:
  - id: grow
    when: V_Acc < 0.5
    weight: 1
    instruct: [ACL]
tests:
  - name: "{name}"
    given: {{V_Acc: 0.4}}
    expect: {{instructions: {{ACL: 1}}}}
"""
    book = parse_rulebook(text, "own.yaml")
    printed = tuned_rulebook(book, Tuning((row("grow", 1.2),), 2, 30, 0, 0.08))
    assert "drop_tests:" in printed
    assert parse_rulebook(printed, "tuned.yaml", book.sources).tests == ()
