"""Rendering and reading are inverse to each other, for any blueprint."""

from __future__ import annotations

import ast
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.overrides import TorchFunctionMode

from lemonade_es.llm.builtin.blueprint import Blueprint, Conv, Dense, Stage, Unit
from lemonade_es.llm.builtin.cost import census, macs, parameters
from lemonade_es.llm.builtin.reader import parse
from lemonade_es.llm.builtin.source import render
from lemonade_es.task import Task

RATES = st.sampled_from((0.0, 0.05, 0.1, 0.35))


def convs(stride):
    return st.builds(Conv, st.integers(1, 300), st.sampled_from((1, 3, 5, 7)), st.sampled_from(stride), st.booleans())


def units(stride=(1,)):
    plain = st.builds(lambda conv, rate: Unit((conv,), dropout=rate), convs(stride), RATES)
    residual = st.builds(
        lambda inner, depth, rate: Unit(tuple(inner), True, depth, rate),
        st.lists(convs((1,)), min_size=1, max_size=3),
        RATES,
        RATES,
    )
    return st.one_of(plain, residual)


@st.composite
def blueprints(draw):
    text = draw(st.booleans())
    first = draw(st.lists(units((1, 2)), min_size=1, max_size=3))
    stages = [Stage(tuple(first), pool=1)]
    for inner in draw(st.lists(st.lists(units(), min_size=1, max_size=3), max_size=2)):
        stages.append(Stage(tuple(inner), draw(st.sampled_from((2, 4)))))
    residual = any(unit.skip for stage in stages for unit in stage.units)
    initializers = [
        draw(st.sampled_from(((), ("kaiming_normal_conv",), ("kaiming_uniform_conv",)))),
        draw(st.sampled_from(((), ("xavier_dense",), ("orthogonal_dense",)))),
        draw(st.sampled_from(((), ("small_residual",)))) if residual else (),
    ]
    return Blueprint(
        kind="text" if text else "image",
        input_shape=(256,) if text else (draw(st.integers(1, 5)), 64, 48),
        classes=draw(st.integers(2, 1000)),
        stages=tuple(stages),
        hidden=tuple(draw(st.lists(st.builds(Dense, st.integers(1, 300), st.booleans(), RATES), max_size=3))),
        head_dropout=draw(RATES),
        noise=draw(RATES),
        activation=draw(st.sampled_from(("ReLU", "SiLU", "GELU"))),
        pooling=draw(st.sampled_from(("Max", "Avg"))) if len(stages) > 1 else "Max",
        readout=draw(st.sampled_from(("Max", "Avg"))),
        places=1 if text else draw(st.integers(1, 7)),
        initializers=tuple(name for names in initializers for name in names),
        vocabulary_size=500 if text else None,
        embedding=draw(st.integers(1, 64)) if text else None,
        embedding_dropout=draw(RATES) if text else 0.0,
    )


@st.composite
def tables(draw):
    dense = st.builds(Conv, st.integers(1, 300), st.just(1), st.just(1), st.booleans())
    plain = st.builds(lambda layer, rate: Unit((layer,), dropout=rate), dense, RATES)
    residual = st.builds(
        lambda inner, depth, rate: Unit(tuple(inner), True, depth, rate),
        st.lists(dense, min_size=1, max_size=3),
        RATES,
        RATES,
    )
    body = st.one_of(plain, residual)
    regression = draw(st.booleans())
    return Blueprint(
        kind="table",
        input_shape=(draw(st.integers(1, 40)),),
        classes=1 if regression else draw(st.integers(2, 1000)),
        stages=(Stage(tuple(draw(st.lists(body, min_size=1, max_size=4))), pool=1),),
        hidden=tuple(draw(st.lists(st.builds(Dense, st.integers(1, 300), st.booleans(), RATES), max_size=2))),
        head_dropout=draw(RATES),
        noise=draw(RATES),
        activation=draw(st.sampled_from(("ReLU", "SiLU", "GELU"))),
        objective="regression" if regression else "classification",
    )


@given(blueprints() | tables())
@settings(max_examples=150, deadline=None)
def test_what_was_rendered_is_read_back_unchanged(blueprint):
    assert parse(render(blueprint)) == blueprint


@given(blueprints() | tables())
@settings(max_examples=25, deadline=None)
def test_costs_and_census_of_a_blueprint_are_those_of_the_network_built_from_it(bench, blueprint):
    task = Task(
        blueprint.kind, "any", blueprint.input_shape, blueprint.classes, vocabulary_size=blueprint.vocabulary_size
    )
    counted = bench.count(render(blueprint), task)
    assert (counted.macs, counted.parameters) == (macs(blueprint), parameters(blueprint))
    assert counted.census == census(blueprint)


def test_the_source_says_what_the_network_costs_and_where_its_stages_are(bench, task):
    source = bench.ask(task, iteration=1)["model_py"]
    blueprint = parse(source)
    assert f"{parameters(blueprint):,} parameters" in ast.get_docstring(ast.parse(source))
    assert source.count("# stage ") == (0 if task.kind == "table" else len(blueprint.stages))
    assert max(map(len, source.splitlines())) <= 100


@pytest.mark.parametrize(
    ("kind", "shape", "norm", "shortcut"),
    [
        ("image", (3, 8, 8), True, "nn.Sequential(nn.Conv2d(3, 12, 1, bias=False), nn.BatchNorm2d(12)),"),
        ("image", (3, 8, 8), False, "nn.Conv2d(3, 12, 1, bias=False),"),
        ("text", (40,), True, "nn.Conv1d(3, 12, 1, bias=False),"),
        ("table", (3,), True, "nn.Linear(3, 12, bias=False),"),
    ],
)
def test_a_projection_is_normalised_as_the_layers_of_an_image_network_beside_it(kind, shape, norm, shortcut):
    unit = Unit((Conv(12, kernel=1, norm=norm),), skip=True)
    words = {"vocabulary_size": 50, "embedding": 3} if kind == "text" else {}
    lines = [line.strip() for line in render(Blueprint(kind, shape, 10, (Stage((unit,), 1),), **words)).splitlines()]
    assert lines[lines.index("Residual(") + 1] == shortcut


@pytest.mark.parametrize("name", ["Residual", "StochasticDepth", "GaussianNoise"])
def test_classes_that_are_not_used_are_not_written(bench, task, name):
    assert name not in bench.ask(task, iteration=1)["model_py"]


def test_the_noise_on_a_text_is_drawn_in_the_order_of_memory_in_which_that_is_fast(bench):
    task = Task("text", "reviews", (200,), 2, 1000)
    blueprint = replace(parse(bench.ask(task, iteration=1)["model_py"]), noise=0.1)
    assert parse(render(blueprint)) == blueprint
    drawn = []

    class Watch(TorchFunctionMode):
        def __torch_function__(self, func, types, args=(), kwargs=None):
            result = func(*args, **(kwargs or {}))
            if func is torch.Tensor.normal_:
                drawn.append(result)
            return result

    network = bench.build(render(blueprint)).train()
    with Watch():
        network(bench.inputs(task, 64))
    (noise,) = drawn
    assert noise.is_contiguous()
    assert noise.shape == (64, blueprint.embedding, 200)
    assert abs(noise.mean().item() - 1) < 0.01
    assert abs(noise.std().item() - 0.1) < 0.01
