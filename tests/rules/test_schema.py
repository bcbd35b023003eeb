"""The schema that editors read."""

from __future__ import annotations

import json

from jsonschema import Draft202012Validator

from lemonade_es.rules.document import plain, read_document
from lemonade_es.rules.load import find_rulebook
from lemonade_es.rules.schema import rulebook_schema
from lemonade_es.vocabulary import CENSUS, METRICS, SETTABLE


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
