"""The schema that editors read."""

from __future__ import annotations

import json

import pytest
from jsonschema import Draft202012Validator

from lemonade_es.errors import RulebookError
from lemonade_es.rules.document import plain, read_document
from lemonade_es.rules.load import find_rulebook, parse_rulebook
from lemonade_es.rules.schema import rulebook_schema
from lemonade_es.vocabulary import CENSUS, METRICS, SETTABLE

BOOK = (
    "rulebook: b\nversion: 1\ninstructions: {A: {text: a}}\n"
    "rules: [{id: r, when: V_Acc < 0.5, weight: 1, instruct: [A]}]\n"
)


def test_the_shipped_schema_is_the_generated_one():
    path = find_rulebook("lemonade").with_name("rulebook.schema.json")
    assert path.read_text(encoding="utf-8") == json.dumps(rulebook_schema(), indent=2) + "\n"


def test_it_is_a_schema_and_knows_the_whole_vocabulary():
    schema = rulebook_schema()
    Draft202012Validator.check_schema(schema)
    given = schema["$defs"]["test"]["properties"]["given"]["properties"]
    assert set(given) == {*METRICS, *SETTABLE}
    assert schema["$defs"]["instruction"]["properties"]["changes"]["enum"] == list(CENSUS)


def test_the_shipped_rulebook_fits_it():
    root = read_document(find_rulebook("lemonade").read_text(encoding="utf-8"), "b", [])
    assert list(Draft202012Validator(rulebook_schema()).iter_errors(plain(root))) == []


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ("plateau: 2.5", "plateau must be a whole number, found 2.5"),
        ("P: 1.500", "P must be a whole number, found 1.5; if its point parts thousands, write 1500"),
        ("failed: 0.3", "failed must be a whole number, found 0.3"),
        ("TP: 0.5", "TP must be a whole number, found 0.5"),
    ],
)
def test_a_test_gives_no_fraction_of_a_count(given, told):
    text = f"tests:\n  - {{name: t, given: {{{given}}}, expect: {{fired: []}}}}\n"
    with pytest.raises(RulebookError) as caught:
        parse_rulebook(BOOK + text, "b.yaml")
    (problem,) = caught.value.problems
    assert (problem.code, problem.message) == ("WRONG_TYPE", told)


@pytest.mark.parametrize("given", ["plateau: 3.0", "P: 1e5", "failed: 1.0", "M: 2000000"])
def test_a_count_may_be_written_as_any_number_that_is_whole(given):
    text = f"tests:\n  - {{name: t, given: {{{given}}}, expect: {{fired: []}}}}\n"
    assert parse_rulebook(BOOK + text, "b.yaml").tests
