"""The JSON Schemas of the edit request and the patch, and what is wrong with data that breaks them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from typing import Any, Literal

from jsonschema import Draft202012Validator
from jsonschema.exceptions import ValidationError

from lemonade_es.errors import ExecutorError

Name = Literal["patch", "edit_request"]

_ANNOTATIONS = ("$schema", "$id", "title")
_JSON_TYPES: Mapping[type, str] = {
    dict: "object",
    list: "array",
    str: "string",
    float: "number",
    int: "number",
    bool: "boolean",
    type(None): "null",
}


@cache
def text(name: Name) -> str:
    """A schema file, as it lies in ``llm/schemas``."""
    return resources.files("lemonade_es.llm").joinpath(f"schemas/{name}.schema.json").read_text("utf-8")


def for_providers() -> dict[str, Any]:
    """The patch schema as providers take it: without the keywords that only name it.

    It keeps to what OpenAI's strict mode, Anthropic, Gemini and llama.cpp grammars all take: every field
    required, nullable instead of optional, ``additionalProperties: false``, no numeric or length limits.
    """
    schema: dict[str, Any] = json.loads(text("patch"))
    return {key: value for key, value in schema.items() if key not in _ANNOTATIONS}


def problems(name: Name, data: object) -> list[tuple[str, str]]:
    """What is wrong with ``data``: JSON pointers (``/edits/0/search``) and one phrase for each.

    Values are not quoted: they may be long, deep or hostile.
    """
    found = _validator(name).iter_errors(data)
    return sorted({problem for error in found for problem in _phrases(error)})


def check_request(data: Mapping[str, Any]) -> None:
    """Refuse an edit request that does not match its schema, or holds a number that JSON cannot express.

    Args:
        data: :meth:`lemonade_es.llm.request.EditRequest.to_json`'s result.

    Raises:
        ExecutorError: with each JSON pointer and what is wrong there.
    """
    wrong = problems("edit_request", data)
    try:
        json.dumps(data, allow_nan=False)
    except ValueError:
        wrong.append(("/", "holds NaN or infinity; a value that is not known is null"))
    if wrong:
        listed = "; ".join(f"{pointer} {phrase}" for pointer, phrase in wrong)
        raise ExecutorError(f"the edit request does not match its schema: {listed}", where=wrong[0][0])


@cache
def _validator(name: Name) -> Draft202012Validator:
    return Draft202012Validator(json.loads(text(name)))


def _phrases(error: ValidationError) -> Iterator[tuple[str, str]]:
    if error.validator == "anyOf" and error.context:
        # Each anyOf is (value | null); what is wrong with a non-null value is what its own branch says.
        for inner in error.context:
            if inner.schema_path[0] == 0:
                yield from _phrases(inner)
        return
    yield _pointer(error), _phrase(error)


def _pointer(error: ValidationError) -> str:
    parts = (str(part).replace("~", "~0").replace("/", "~1") for part in error.absolute_path)
    return "/" + "/".join(parts)


def _phrase(error: ValidationError) -> str:
    instance: Any = error.instance
    expected: Any = error.validator_value
    match error.validator:
        case "type":
            wanted = " or ".join([expected] if isinstance(expected, str) else expected)
            return f"must be {wanted}, not {_JSON_TYPES.get(type(instance), type(instance).__name__)}"
        case "required":
            return f"lacks {_names(key for key in expected if key not in instance)}"
        case "additionalProperties":
            known = error.schema.get("properties", {}) if isinstance(error.schema, dict) else {}
            return f"has unknown {_names(key for key in instance if key not in known)}"
        case "enum" | "const":
            return f"must be {json.dumps(expected)}"
        case keyword:
            return f"breaks {keyword} {json.dumps(expected)}"


def _names(keys: Iterator[str]) -> str:
    named = [json.dumps(key[:40]) for key in keys]
    return ", ".join(named[:8]) + (f" and {len(named) - 8} more" if len(named) > 8 else "")
