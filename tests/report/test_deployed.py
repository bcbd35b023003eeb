"""What came of an export, for the terminal."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from lemonade_es.engine.final.deployment import Chosen, Deployment
from lemonade_es.report.deployed import deployment_page

FIGURES = {
    "accuracy": 0.9,
    "equal_predictions": 1.0,
    "max_abs_difference": 1e-6,
    "latency_ms": {"p50": 1.0, "settled": True},
    "size_mb": 0.1,
}


@pytest.mark.parametrize(
    ("loss", "told"),
    [
        (0.0, "accuracy does not change"),
        (-0.0, "accuracy does not change"),
        (0.00004, "accuracy does not change"),
        (0.0111, "accuracy falls by 1.11 points"),
        (-0.0111, "accuracy rises by 1.11 points"),
    ],
)
def test_what_int8_costs_is_told_where_it_costs_something(loss: float, told: str) -> None:
    about = {
        "format": "onnx",
        "weights": "search",
        "iteration": 2,
        "run": "r",
        "data": "digits",
        "quantized": "int8",
        "input": {"batch": None},
        "files": ["model.onnx"],
        "check": {
            "pytorch": FIGURES,
            "float32_file": FIGURES,
            "file": FIGURES,
            "validation_inputs": 270,
            "accuracy_means": "accuracy",
            "accuracy_loss": loss,
            "note": None,
        },
    }
    chosen = Chosen("r", "best", 2, "", {}, 0.9)
    out = io.StringIO()
    Console(file=out, width=120).print(deployment_page(Deployment(Path("x"), chosen, about)))
    assert f"by int8 {told}" in out.getvalue()
    assert "0.00 points" not in out.getvalue()
