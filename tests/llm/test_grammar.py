"""The grammar that only lets a patch pass, and how an answer that was cut off is ended as one."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from lemonade_es.llm import schema
from lemonade_es.llm.providers.ending import ended
from lemonade_es.llm.providers.grammar import ROOT, grammar

PATCH = schema.for_providers()
GOOD = {
    "summary": 'Said "wider", and \\ so on.',
    "model_py": "import torch\n\n\tx = 1\n",
    "edits": None,
    "applied": [{"instruction": "ACL", "how": "One more."}, {"instruction": "RSC", "how": "Added."}],
    "skipped": [],
    "predicted": {"T_Acc": 0.95, "V_Acc": None, "F": -12, "P": 120000},
}
EDITS = {**GOOD, "model_py": None, "edits": [{"search": "a", "replace": ""}], "predicted": None}


def as_regex(gbnf: str) -> re.Pattern[str]:
    """The regular expression that a grammar without recursion is."""
    rules = dict(line.split(" ::= ", 1) for line in gbnf.strip().splitlines())
    token = re.compile(r'"(?:[^"\\]|\\.)*"|\[(?:[^\]\\]|\\.)*\]|\{\d+(?:,\d+)?\}|[()|?]|[a-z0-9-]+|\s+')

    def expanded(name: str) -> str:
        pieces = []
        position = 0
        while position < len(rules[name]):
            match = token.match(rules[name], position)
            assert match, rules[name][position:]
            text, position = match[0], match.end()
            if text.startswith('"'):
                pieces.append(re.escape(re.sub(r"\\(.)", r"\1", text[1:-1])))
            elif text.startswith("[") or text[0] in "{()|?":
                pieces.append(text)
            elif not text.isspace():
                pieces.append(expanded(text))
        return f"(?:{''.join(pieces)})"

    return re.compile(expanded(ROOT))


def test_patches_pass_the_grammar_as_json_writes_them() -> None:
    passes = as_regex(grammar(PATCH, 4000))

    for patch in (GOOD, EDITS):
        assert schema.problems("patch", patch) == []
        assert passes.fullmatch(json.dumps(patch))


@pytest.mark.parametrize(
    "text",
    [
        json.dumps({key: value for key, value in GOOD.items() if key != "skipped"}),
        json.dumps({**GOOD, "extra": 1}),
        json.dumps({**GOOD, "summary": 3}),
        json.dumps({**GOOD, "predicted": {"T_Acc": 1}}),
        json.dumps(GOOD).replace("\\n", "\n"),
        json.dumps(GOOD).replace("-12", "-012"),
        "Here it is: " + json.dumps(GOOD),
        json.dumps(GOOD)[:-1],
    ],
)
def test_what_is_no_patch_does_not_pass_the_grammar(text: str) -> None:
    assert not as_regex(grammar(PATCH, 4000)).fullmatch(text)


def test_exactly_one_of_two_ways_to_change_a_source_passes_where_that_is_asked() -> None:
    passes = as_regex(grammar(PATCH, 4000, either=("model_py", "edits")))

    whole = {**GOOD, "model_py": "import torch\n" * 9}
    for patch in (whole, EDITS):
        assert passes.fullmatch(json.dumps(patch))
    empty = ({**GOOD, "model_py": ""}, {**EDITS, "edits": []})
    for patch in ({**whole, "model_py": None}, {**whole, "edits": EDITS["edits"]}, *empty):
        assert not passes.fullmatch(json.dumps(patch))


@pytest.mark.parametrize("characters", [600, 2000, 10_000])
def test_no_text_that_passes_is_longer_than_the_bound(characters: int) -> None:
    passes = as_regex(grammar(PATCH, characters, {"model_py": 8.0, "edits": 8.0}))
    long = "x" * characters
    assert not passes.fullmatch(json.dumps({**GOOD, "model_py": long}))
    assert not passes.fullmatch(json.dumps({**GOOD, "applied": GOOD["applied"] * 20}))

    source, entries = longest(passes, {"model_py": "x"}), longest(passes, {"applied": [{"instruction": "", "how": ""}]})
    assert 0 < source < characters
    assert 0 < entries <= 12


def longest(passes: re.Pattern[str], field: dict[str, Any]) -> int:
    """How often the value of a field may be repeated."""
    ((name, value),) = field.items()
    short = {"summary": "", "model_py": None, "edits": None, "applied": [], "skipped": [], "predicted": None}
    low, high = 0, 20_000
    while low < high:
        middle = (low + high + 1) // 2
        fits = passes.fullmatch(json.dumps({**short, name: value * middle}))
        low, high = (middle, high) if fits else (low, middle - 1)
    return low


@pytest.mark.parametrize("patch", [GOOD, EDITS])
def test_an_answer_that_is_cut_off_anywhere_is_ended_as_a_patch(patch: dict[str, Any]) -> None:
    text = json.dumps(patch)
    for length in range(len(text)):
        whole, missing = ended(text[:length], PATCH)
        data = json.loads(whole)
        assert schema.problems("patch", data) == []
        kept = {key: data[key] for key in data if key not in missing}
        assert kept == {key: patch[key] for key in kept}
        assert missing or length == len(text) - 1
    assert ended(text, PATCH) == (text, ())


def test_what_was_written_of_a_cut_source_and_the_whole_items_of_a_list_are_kept() -> None:
    whole, missing = ended(json.dumps(GOOD).partition("x = 1")[0], PATCH)
    assert (json.loads(whole)["model_py"], missing[0]) == ("import torch\n\n\t", "model_py")

    whole, missing = ended(json.dumps(GOOD).partition('"Added')[0], PATCH)
    assert (json.loads(whole)["applied"], missing[0]) == (GOOD["applied"][:1], "applied")  # type: ignore[index]


def test_a_word_of_json_schema_that_it_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="no grammar for 'boolean'"):
        grammar({"type": "object", "properties": {"a": {"type": "boolean"}}}, 100)
