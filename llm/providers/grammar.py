"""A JSON Schema as a grammar for llama.cpp (GBNF) that lets only JSON of a bounded length pass."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

ROOT = "root"

_BLOCK = 100
"""Characters; llama.cpp refuses longer repetitions than some thousands, so long strings are made of blocks."""

_NUMBER_CHARACTERS = 20
_FILLED: Mapping[str, Any] = {"minLength": 1, "minItems": 1}
_RULES = (
    # Printable ASCII, and what JSON escapes of it: a model's every token is then at least one character.
    r'char ::= [ !#-[\]-~] | "\\" ["\\nt]',
    f"block ::= char{{{_BLOCK}}}",
    r'number ::= "-"? ("0" | [1-9] [0-9]{0,11}) ("." [0-9]{1,6})?',
)


def grammar(
    schema: Mapping[str, Any],
    characters: int,
    shares: Mapping[str, float] | None = None,
    either: tuple[str, str] | None = None,
) -> str:
    """The grammar of a schema's JSON.

    Args:
        schema: of the patch's kind: objects whose properties are all required, arrays, strings, numbers, nullable
            ones among them, and ``anyOf``.
        characters: that the JSON may have at most, an escaped one counted once; strings and arrays share them.
        shares: by property, its part of what the properties of an object share; 1 by default.
        either: two nullable properties of the schema, of which exactly one may be given, and that not empty, as no
            schema of this kind can say.

    Returns:
        GBNF whose root rule is :data:`ROOT`.
    """
    writer = _Writer(shares or {})
    variants = [schema] if either is None else [_only(schema, *either), _only(schema, *reversed(either))]
    bodies = [writer.rule(f"{ROOT}-{index}", variant, characters) for index, variant in enumerate(variants)]
    body = " | ".join(bodies)
    return "\n".join((f"{ROOT} ::= {body}", *writer.rules, *_RULES)) + "\n"


class _Writer:
    def __init__(self, shares: Mapping[str, float]) -> None:
        self.rules: list[str] = []
        self._shares = shares

    def rule(self, name: str, schema: Mapping[str, Any], room: int) -> str:
        """The right side of the rule for a schema's JSON, of at most ``room`` characters; others are added."""
        if "anyOf" in schema:
            options = (self.rule(f"{name}-{index}", option, room) for index, option in enumerate(schema["anyOf"]))
            return " | ".join(options)
        return " | ".join(self._of_type(name, kind, schema, room) for kind in _kinds(schema))

    def _of_type(self, name: str, kind: str, schema: Mapping[str, Any], room: int) -> str:
        match kind:
            case "object":
                return self._object(name, schema["properties"], room)
            case "array":
                return self._array(name, schema["items"], room, filled=schema.get("minItems", 0) > 0)
            case "string":
                return _string(room - 2, filled=schema.get("minLength", 0) > 0)
            case "number" | "null":
                return "number" if kind == "number" else '"null"'
            case other:
                raise ValueError(f"no grammar for {other!r}")

    def _object(self, name: str, properties: Mapping[str, Mapping[str, Any]], room: int) -> str:
        keys = {
            key: _literal(("{" if index == 0 else ", ") + json.dumps(key) + ": ")
            for index, key in enumerate(properties)
        }
        left = room - 1 - sum(len(key) for key in keys.values())
        hungry = {key: self._shares.get(key, 1.0) for key, inner in properties.items() if _is_long(inner)}
        left -= _NUMBER_CHARACTERS * (len(properties) - len(hungry))
        parts = []
        for key, inner in properties.items():
            part = int(left * hungry[key] / sum(hungry.values())) if key in hungry else _NUMBER_CHARACTERS
            self.rules.append(f"{name}-{_word(key)} ::= {self.rule(f'{name}-{_word(key)}', inner, part)}")
            parts.append(f"{keys[key]} {name}-{_word(key)}")
        return " ".join((*parts, '"}"'))

    def _array(self, name: str, items: Mapping[str, Any], room: int, *, filled: bool) -> str:
        # Few long items or many short ones: as many as there are, each of an equal part, by a rule of thumb.
        many = max(1, min(12, room // 150))
        self.rules.append(f"{name}-item ::= {self.rule(f'{name}-item', items, (room - 2) // many - 2)}")
        more = f' (", " {name}-item){{0,{many - 1}}}' if many > 1 else ""
        return f'"[" ({name}-item{more}){"" if filled else "?"} "]"'


def _only(schema: Mapping[str, Any], given: str, absent: str) -> Mapping[str, Any]:
    """The schema with one of two nullable properties given, and not empty, and the other null."""
    properties = schema["properties"]
    value = properties[given]
    if "anyOf" in value:
        value = {"anyOf": [{**option, **_FILLED} for option in value["anyOf"] if option["type"] != "null"]}
    else:
        value = {"type": [kind for kind in _kinds(value) if kind != "null"], **_FILLED}
    return {**schema, "properties": {**properties, given: value, absent: {"type": "null"}}}


def _string(characters: int, *, filled: bool) -> str:
    """A string of at most so many characters; one that is filled has a block of them at least, if that fits."""
    characters, least = max(1, characters), int(filled)
    blocks, rest = divmod(characters, _BLOCK)
    if blocks == 0:
        return rf'"\"" char{{{least},{rest}}} "\""'
    return rf'"\"" block{{{least},{max(least, blocks - 1)}}} char{{0,{_BLOCK if blocks > least else rest}}} "\""'


def _literal(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _is_long(schema: Mapping[str, Any]) -> bool:
    """Whether there is no fixed bound on the JSON of a schema."""
    if "anyOf" in schema:
        return any(_is_long(option) for option in schema["anyOf"])
    return bool({"string", "array", "object"} & set(_kinds(schema)))


def _kinds(schema: Mapping[str, Any]) -> list[str]:
    kinds = schema["type"]
    return [kinds] if isinstance(kinds, str) else list(kinds)


def _word(key: str) -> str:
    """A property's name as part of a rule's."""
    return "".join(character if character.isalnum() else "-" for character in key.lower())
