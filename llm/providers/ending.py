"""The end of an answer that was stopped while a grammar guided it: what is missing is what the grammar would demand."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_EMPTY: Mapping[str, str] = {"string": '""', "array": "[]", "object": "null", "null": "null", "number": "null"}


def ended(text: str, schema: Mapping[str, Any]) -> tuple[str, tuple[str, ...]]:
    """``text`` made a JSON object of a schema: what was begun is closed, what was not is empty.

    Args:
        text: the beginning of an object as :func:`lemonade_es.llm.providers.grammar.grammar` has it, which writes
            the properties in the schema's order.
        schema: of the patch's kind.

    Returns:
        The object, and the properties that are not as the model would have had them.
    """
    properties: Mapping[str, Mapping[str, Any]] = schema["properties"]
    # A quotation mark within a string is escaped: these marks stand nowhere else.
    begun = [name for name in properties if _mark(name) in text]
    missing = [name for name in properties if name not in begun]
    written = ""
    if begun:
        last = begun[-1]
        head, mark, value = text.rpartition(_mark(last))
        closed, whole = _closed(value, properties[last])
        written = head.removeprefix("{") + mark + closed
        missing = missing if whole else [last, *missing]
    rest = [_mark(name) + _empty(inner) for name, inner in properties.items() if name not in begun]
    return "{" + ", ".join(([written] if written else []) + rest) + "}", tuple(missing)


def _closed(value: str, schema: Mapping[str, Any]) -> tuple[str, bool]:
    """A value that ends anywhere, closed: a string with what there is of it, a list with its whole items."""
    try:
        _, end = json.JSONDecoder().raw_decode(value)
    except ValueError:
        pass
    else:
        return value[:end], True
    if value.startswith('"'):
        escapes = len(value) - len(value.rstrip("\\"))
        return value[: len(value) - escapes % 2] + '"', False
    if not value.startswith("["):
        return _empty(schema), False
    end = len(value)
    while (end := value.rfind("}", 0, end)) > 0:
        if _is_json(value[: end + 1] + "]"):
            return value[: end + 1] + "]", False
    return "[]", False


def _empty(schema: Mapping[str, Any]) -> str:
    """The least value of a schema; null wherever that will do."""
    kinds = [option["type"] for option in schema["anyOf"]] if "anyOf" in schema else schema["type"]
    kinds = [kinds] if isinstance(kinds, str) else kinds
    return "null" if "null" in kinds else _EMPTY[kinds[0]]


def _mark(name: str) -> str:
    return f"{json.dumps(name)}: "


def _is_json(text: str) -> bool:
    try:
        json.loads(text)
    except ValueError:
        return False
    return True
