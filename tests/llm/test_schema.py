from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from lemonade_es.errors import ExecutorError
from lemonade_es.llm import schema
from lemonade_es.llm.request import Attempt, Constraints, EditRequest, Instruction, ReplyLimits
from lemonade_es.task import Task
from lemonade_es.vocabulary import settings

# What OpenAI's strict mode, Anthropic, Gemini and llama.cpp grammars have in common.
PORTABLE = {"type", "properties", "required", "additionalProperties", "items", "anyOf", "description"}


def full_request() -> EditRequest:
    return EditRequest(
        task=Task("text", "imdb", (200,), 2, vocabulary_size=20_000),
        iteration=3,
        model_py="import torch\n",
        census={"conv_layers": 3.0},
        metrics={"V_Acc": 0.8, "P": None},
        thresholds=settings("edge", {}),
        instructions=(Instruction("ACL", "Add", 0.5, ("because",), "conv_layers", "increase"),),
        constraints=Constraints(parameters=10, macs=20, activation_mb=1.5),
        history=(Attempt(1, ("ACL",), "ok", {"F": None}, 0.4, "did"),),
        limits=ReplyLimits(prefer="edits"),
    )


def subschemas(node: object) -> Iterator[dict[str, Any]]:
    if isinstance(node, list):
        for item in node:
            yield from subschemas(item)
    elif isinstance(node, dict):
        yield node
        yield from subschemas(node.get("items"))
        yield from subschemas(node.get("anyOf"))
        yield from subschemas(list(node.get("properties", {}).values()))


@pytest.mark.parametrize("name", ["patch", "edit_request"])
def test_the_schema_files_are_valid_schemas(name: Any) -> None:
    Draft202012Validator.check_schema(json.loads(schema.text(name)))


def test_the_patch_schema_uses_only_what_all_providers_take() -> None:
    nodes = list(subschemas(schema.for_providers()))

    assert len(nodes) > 15
    for node in nodes:
        assert set(node) <= PORTABLE
        if node.get("type") == "object":
            assert node["additionalProperties"] is False
            assert node["required"] == list(node["properties"])


@pytest.mark.parametrize("request_", [EditRequest(Task("image", "c", (3, 32, 32), 10), 1), full_request()])
def test_requests_match_their_schema(request_: EditRequest) -> None:
    schema.check_request(request_.to_json())

    assert EditRequest.from_json(request_.to_json()) == request_


def test_a_request_with_problems_reports_each_with_its_pointer() -> None:
    data = full_request().to_json()
    data["task"]["classes"] = 1
    data["instructions"][0]["weight"] = 0
    data["extra"] = 1

    with pytest.raises(ExecutorError) as error:
        schema.check_request(data)

    assert "/task/classes breaks minimum 2" in str(error.value)
    assert "/instructions/0/weight breaks exclusiveMinimum 0" in str(error.value)
    assert '/ has unknown "extra"' in str(error.value)


@pytest.mark.parametrize(("objective", "classes"), [("regression", 1), ("classification", 2)])
def test_one_output_is_for_regression_and_several_are_for_classification(objective: Any, classes: int) -> None:
    task = Task("table", "c", (5,), classes, objective=objective)
    schema.check_request(EditRequest(task, 1).to_json())

    with pytest.raises(ExecutorError, match="/task/classes"):
        schema.check_request(EditRequest(replace(task, classes=3 - classes), 1).to_json())


def test_a_request_with_a_number_that_json_cannot_express_is_refused() -> None:
    data = full_request().to_json()
    data["metrics"]["V_Acc"] = float("nan")

    with pytest.raises(ExecutorError, match="NaN"):
        schema.check_request(data)
