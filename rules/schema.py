"""The JSON Schema (2020-12) of a rulebook, made from the vocabulary, and its verdicts as problems with places.

Editors read the same schema from ``rulebooks/rulebook.schema.json``.
"""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from typing import Any

from jsonschema import Draft202012Validator, validators
from jsonschema.exceptions import ValidationError
from jsonschema.protocols import Validator

from lemonade_es.rules import advice
from lemonade_es.rules.advice import CONCLUSION, TOP
from lemonade_es.rules.document import Node, Scalar, Table, locate, plain, tables_in, text_at
from lemonade_es.rules.expression import FLAGS, MAX_HINTS
from lemonade_es.rules.problem import Place, Problem
from lemonade_es.vocabulary import CENSUS, COUNTS, METRICS, PRIORITIES, SETTABLE, THRESHOLDS, Term

INSTRUCTION_ID = r"^[A-Z][A-Z0-9_]{0,19}$"
RULE_ID = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,79}$"

_PATTERNS = {
    INSTRUCTION_ID: "capitals (A-Z), digits and _, such as ACL",
    RULE_ID: "letters (a-z, A-Z), digits, - and _, such as low-accuracy",
    CONCLUSION: "small letters (a-z), digits and _, such as overfitting",
}
_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "array": "a list",
    "object": "a mapping",
    "null": "nothing",
    "boolean": "true or false",
}
_BOUNDS = {"minimum": "at least", "maximum": "at most", "exclusiveMinimum": "above"}
"""The last is that of the weights which a test expects."""
_NOTHING_EXPECTED = {
    "not_fired": "; name rules, or say with `fired: []` that none fires",
    "absent": "; name instructions, or say with `instructions: {}` that none is left",
}


def rulebook_schema() -> dict[str, Any]:
    """The schema, as JSON data."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "LEMONADE rulebook",
        "type": "object",
        "additionalProperties": False,
        "required": ["rulebook", "version"],
        "if": {"not": {"required": ["extends"]}},
        "then": {"required": ["instructions", "rules"]},
        "dependentRequired": {"drop": ["extends"], "drop_tests": ["extends"]},
        "properties": {
            "rulebook": _text("The rulebook's name.", pattern=RULE_ID),
            "version": {"description": "Raise it with each change.", "type": "integer", "minimum": 1},
            "about": _text("What it is for, in a sentence."),
            "extends": _text("The rulebook that this one builds on: a shipped name, or a file beside this one."),
            "drop": _ids("Rules of the extended rulebook that do not come along, by id.", RULE_ID),
            "drop_tests": {
                "description": "Tests of the extended rulebook that do not come along: their names, or all.",
                "anyOf": [{"const": "all"}, {"type": "array", "items": {"type": "string"}}],
            },
            "combine": {
                "description": "How the weights of several rules for one instruction become one.",
                "enum": ["sum", "max"],
                "default": "sum",
            },
            "max_instructions": {
                "description": "How many instructions, the heaviest, may be left after conflict resolution.",
                "type": "integer",
                "minimum": 1,
            },
            "thresholds": _settings("Thresholds that this rulebook sets or bounds.", THRESHOLDS),
            "priorities": _settings("Priorities that this rulebook sets or bounds.", PRIORITIES),
            "instructions": {
                "description": "What rules may ask for (Table 3), by id.",
                "type": "object",
                "minProperties": 1,
                "propertyNames": {"pattern": INSTRUCTION_ID},
                "additionalProperties": {"$ref": "#/$defs/instruction"},
            },
            "rules": {
                "description": "In the order in which they are read.",
                "type": "array",
                "minItems": 1,
                "items": {"$ref": "#/$defs/rule"},
            },
            "tests": {
                "description": "What the rules must do.",
                "type": "array",
                "items": {"$ref": "#/$defs/test"},
            },
        },
        "$defs": {"instruction": _instruction(), "rule": _rule(), "test": _test()},
    }


def _text(description: str, *, pattern: str | None = None) -> dict[str, Any]:
    base: dict[str, Any] = {"description": description, "type": "string", "minLength": 1}
    return base | ({"pattern": pattern} if pattern else {})


def _ids(description: str, pattern: str) -> dict[str, Any]:
    items = {"type": "string", "pattern": pattern}
    return {"description": description, "type": "array", "uniqueItems": True, "items": items}


def _settings(description: str, terms: Mapping[str, Term]) -> dict[str, Any]:
    return {
        "description": description,
        "type": "object",
        "additionalProperties": False,
        "properties": {
            term.name: {
                "description": _described(term),
                "type": "object",
                "additionalProperties": False,
                "minProperties": 1,
                "properties": {
                    "default": _bounded(term) | {"description": "Its value, unless the user sets another."},
                    "range": {
                        "description": "The lowest and the highest value that it is meant to have.",
                        "type": "array",
                        "minItems": 2,
                        "maxItems": 2,
                        "items": _bounded(term),
                    },
                },
            }
            for term in terms.values()
        },
    }


def _instruction() -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["text"],
        "dependentRequired": {"changes": ["direction"], "direction": ["changes"]},
        "properties": {
            "text": _text("What the executor is told."),
            "conflicts_with": _text("The instruction with the opposite effect.", pattern=INSTRUCTION_ID),
            "changes": {
                "description": "What it changes in the network: "
                + "; ".join(f"{name}: {text}" for name, text in CENSUS.items()),
                "enum": list(CENSUS),
            },
            "direction": {"description": "Up or down.", "enum": ["increase", "reduce"]},
        },
    }


def _rule() -> dict[str, Any]:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["id", "when"],
        "anyOf": [{"required": ["instruct"]}, {"required": ["conclude"]}],
        "dependentRequired": {"instruct": ["weight"], "weight": ["instruct"]},
        "properties": {
            "id": _text("Its name, once in the rulebook.", pattern=RULE_ID),
            "when": _text("Its condition, such as T_Acc - V_Acc > OT."),
            "weight": {
                "description": "How much its instructions matter, such as PV_Acc * 0.5.",
                "type": ["string", "number"],
            },
            "instruct": _ids("The instructions that it gives.", INSTRUCTION_ID) | {"minItems": 1},
            "conclude": _text("The conclusion that it draws, for other rules to read.", pattern=CONCLUSION),
            "because": _text("The reason in plain words, with values such as {V_Acc:.1%}."),
            "salience": {
                "description": "Higher fires earlier, and wins ties.",
                "type": "integer",
                "minimum": -10000,
                "maximum": 10000,
                "default": 0,
            },
        },
    }


def _test() -> dict[str, Any]:
    rules = functools.partial(_ids, pattern=RULE_ID)
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "given", "expect"],
        "properties": {
            "name": _text("What it shows, as a sentence."),
            "given": {
                "description": "Metrics (those left out are unknown) and settings (those left out have defaults).",
                "type": "object",
                "additionalProperties": False,
                "properties": {term.name: _term(term) for term in (*METRICS.values(), *SETTABLE.values())},
            },
            "expect": {
                "type": "object",
                "additionalProperties": False,
                "minProperties": 1,
                "properties": {
                    "fired": rules("Rules that fire, among others; [] if none does."),
                    "not_fired": rules("Rules that do not fire.") | {"minItems": 1},
                    "instructions": {
                        "description": "Weights after conflict resolution, among others; {} if none is left.",
                        "type": "object",
                        "additionalProperties": {"type": "number", "exclusiveMinimum": 0},
                    },
                    "absent": _ids("Instructions that are not left after conflict resolution.", INSTRUCTION_ID)
                    | {"minItems": 1},
                },
            },
        },
    }


def _term(term: Term) -> dict[str, Any]:
    return {"description": _described(term)} | _bounded(term)


def _described(term: Term) -> str:
    return f"{term.text} ({term.unit})" if term.unit else term.text


def _bounded(term: Term) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "number"}
    if math.isfinite(term.low):
        schema["minimum"] = term.low
    if math.isfinite(term.high):
        schema["maximum"] = term.high
    if term.name in COUNTS | FLAGS:
        schema["multipleOf"] = 1
    return schema


def structural_problems(root: Node) -> Iterator[Problem]:
    """What the schema has against a document, in the words of people, each with its place."""
    rules = tables_in(root.get("rules")) if isinstance(root, Table) else []
    conclusions = {drawn.text for rule in rules if (drawn := text_at(rule, "conclude")) is not None}
    for error in _validator().iter_errors(plain(root)):
        node = locate(root, list(error.absolute_path))
        yield from _problems(error, node, conclusions)


@functools.cache
def _validator() -> Validator:
    # jsonschema compares each item of a mixed list with every other one, takes 3.0 for a whole number, and searches
    # for patterns, whose `$` also stands before a line break.
    extend: Callable[..., type[Validator]] = validators.extend
    kinds = Draft202012Validator.TYPE_CHECKER.redefine("integer", _is_whole)
    checks = {"uniqueItems": _repeated_words, "pattern": _another_form}
    return extend(Draft202012Validator, checks, type_checker=kinds)(rulebook_schema())


def _is_whole(_checker: Any, value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _another_form(_validator: Any, pattern: str, text: Any, _schema: Any) -> Iterator[ValidationError]:
    if isinstance(text, str) and not re.fullmatch(pattern, text):
        yield ValidationError("it has another form")


def _repeated_words(_validator: Any, unique: bool, items: Any, _schema: Any) -> Iterator[ValidationError]:
    words = [item for item in items if isinstance(item, str)] if isinstance(items, list) else []
    if unique and len(set(words)) < len(words):
        yield ValidationError("a word is repeated")


def _problems(error: ValidationError, node: Node, conclusions: Collection[str]) -> Iterator[Problem]:
    here = node.place
    wants: Any = error.validator_value
    path = [step for step in error.absolute_path if isinstance(step, str)]
    what = path[-1] if path else TOP
    if error.absolute_path and isinstance(error.absolute_path[-1], int) and what in ("instruct", "fired", "not_fired"):
        what = f"an item of {what}"
    match error.validator:
        case "additionalProperties":
            yield from _unknown_keys(error, node, what, conclusions)
        case "required" | "dependentRequired":
            yield from _missing_keys(error, node)
        case "propertyNames" | "pattern":
            said = _PATTERNS.get(wants, wants)
            place = _key_place(node, str(error.instance)) or here
            yield Problem(place, "BAD_NAME", f"{error.instance!r} is no name for this; use {said}")
        case "anyOf" if what == "drop_tests":
            yield Problem(
                here, "WRONG_TYPE", f"drop_tests must be `all` or a list of tests, found {_shown(error.instance)}"
            )
        case "anyOf":
            yield Problem(here, "NO_EFFECT", "the rule neither instructs nor concludes; give it one of the two")
        case "minItems" | "maxItems" if what == "range":
            yield Problem(here, "BAD_RANGE", "a range is two numbers, the lowest and the highest: [0.5, 0.99]")
        case "type" | "multipleOf":
            yield _mistyped(error, node, what)
        case "enum":
            near = advice.choice(str(error.instance), wants)
            hint = f"did you mean {near}?" if near else f"choose one of {', '.join(wants)}"
            yield Problem(here, "NOT_A_CHOICE", f"{what} cannot be {_shown(error.instance)}; {hint}")
        case "minimum" | "maximum" | "exclusiveMinimum":
            said = f"{what} must be {_BOUNDS[error.validator]} {wants:g}, found {_shown(error.instance)}"
            yield Problem(here, "OUT_OF_RANGE", f"{said}{_in_range(error, what)}")
        case "uniqueItems":
            yield Problem(here, "DUPLICATE_ITEM", f"{what} names something twice; remove one")
        case _:  # minLength, minItems, minProperties
            yield Problem(here, "EMPTY", f"{what} must not be empty{_NOTHING_EXPECTED.get(what, '')}")


def _in_range(error: ValidationError, what: str) -> str:
    """What to write instead of a number that is out of its range; mostly nothing."""
    number: Any = error.instance
    if error.validator == "exclusiveMinimum":
        return f"; if it is not left, write `absent: [{what}]`"
    in_percent = error.validator == "maximum" and error.validator_value == 1 and number <= 100 and what not in FLAGS
    return f"; {number:g} % is {number / 100:g}" if in_percent else ""


def _mistyped(error: ValidationError, node: Node, what: str) -> Problem:
    wants: Any = error.validator_value
    path = [step for step in error.absolute_path if isinstance(step, str)]
    if error.validator == "multipleOf":
        wanted, cure = _TYPES["integer"], advice.for_fraction(node.text) if isinstance(node, Scalar) else ""
    else:
        wanted = " or ".join(_TYPES[name] for name in ([wants] if isinstance(wants, str) else wants))
        section = path[-2] if len(path) > 1 else ""
        if wants == "number":
            cure = advice.for_number(error.instance, path, flag=what in FLAGS)
        else:
            cure = advice.for_type(what, error.instance, section)
    return Problem(node.place, "WRONG_TYPE", f"{what} must be {wanted}, found {_shown(error.instance)}{cure}")


def _missing_keys(error: ValidationError, node: Node) -> Iterator[Problem]:
    """One error of the validator is one missing key, named only in its message."""
    wants: Any = error.validator_value
    if error.validator == "required":
        missing = next(key for key in wants if error.message.startswith(repr(key)))
        keys = node.keys.keys() if isinstance(node, Table) else ()
        cure = advice.for_missing(missing, keys)
        yield Problem(node.place, "MISSING_KEY", f"{missing!r} is missing here{cure and '; '}{cure}")
        return
    told = {f"{needs!r} is a dependency of {key!r}": (key, needs) for key, (needs,) in wants.items()}
    key, needed = told[error.message]
    yield Problem(_key_place(node, key) or node.place, "MISSING_KEY", f"{key!r} needs {needed!r} beside it")


def _unknown_keys(error: ValidationError, node: Node, what: str, conclusions: Collection[str]) -> Iterator[Problem]:
    schema: Any = error.schema
    instance: Any = error.instance
    known = schema["properties"]
    unknown = [key for key in instance if key not in known]
    for number, key in enumerate(unknown):
        near = advice.key_meant(key, known) if number < MAX_HINTS else None
        hint = advice.for_key(key, what, near, conclusions)
        if near is None and what in ("rules", "tests") and isinstance(instance[key], Mapping):
            hint = f"write `{next(iter(known))}: {key}`, and what stands below it in the same column"
        yield Problem(_key_place(node, key) or node.place, "UNKNOWN_KEY", f"{key!r} is not a key here; {hint}")


def _key_place(node: Node, key: str) -> Place | None:
    return node.keys.get(key) if isinstance(node, Table) else None


def _shown(value: object) -> str:
    if value is None:
        return "nothing"
    kind = next((text for kind, text in ((dict, "a mapping"), (list, "a list")) if isinstance(value, kind)), None)
    if isinstance(value, bool):
        return str(value).lower()
    return kind or repr(value)[:60]
