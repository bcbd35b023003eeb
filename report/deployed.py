"""What came of an export, as JSON and for the terminal: ``lemonade-es export``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from lemonade_es.engine.final.deployment import Deployment
from lemonade_es.report.formats import UNKNOWN
from lemonade_es.trainer.export.form import FORMS
from lemonade_es.trainer.measurement import Failure


def deployment_json(deployment: Deployment) -> dict[str, Any]:
    """The contents of ``model.json`` with the folder's path and no failure."""
    return {"folder": str(deployment.folder.resolve()), "failure": None, **deployment.about}


def failure_json(failure: Failure) -> dict[str, Any]:
    """Why nothing was written."""
    return {"folder": None, "failure": {"code": failure.code, "message": failure.message, "line": failure.line}}


def deployment_page(deployment: Deployment) -> RenderableType:
    """The figures side by side, and what lies in the folder."""
    about, check = deployment.about, deployment.about["check"]
    name = FORMS[about["format"]].name
    whose = {"best": "", "final": "the final training of "}.get(about["weights"], f"{about['weights']}, of ")
    whose += f"iteration {about['iteration']}"
    table = Table(box=None, pad_edge=False)
    for title in ("on the CPU", "accuracy", "equal", "largest difference", "p50 batch 1", "size"):
        table.add_column(title, justify="left" if title == "on the CPU" else "right", no_wrap=True)
    table.add_row("PyTorch", *_cells(check["pytorch"])[:1], "", "", *_cells(check["pytorch"])[3:])
    if check["float32_file"] is not None:
        table.add_row(f"{name} float32", *_cells(check["float32_file"]))
    table.add_row(f"{name} int8" if about["quantized"] else name, *_cells(check["file"]))
    lines: list[RenderableType] = [
        Text(f"{whose} of run {about['run']} ({about['data']}) as {name}"),
        table,
        Text(f"over {check['validation_inputs']} validation inputs; accuracy: {check['accuracy_means']}", "dim"),
    ]
    if about["quantized"]:
        lines.append(Text(f"by int8 accuracy {_change(check['accuracy_loss'])}"))
    if about["input"]["batch"] is not None:
        lines.append(Text(f"it takes batches of {about['input']['batch']}, no others"))
    if check["note"] is not None:
        lines.append(Text(check["note"], "yellow"))
    lines += [
        Text(f"folder: {deployment.folder}"),
        Text(f"files: {', '.join((*about['files'], 'model.json'))}"),
    ]
    return Group(*lines)


def _change(lost: float) -> str:
    points = f"{100 * abs(lost):.2f}"
    return f"{'rises' if lost < 0 else 'falls'} by {points} points" if float(points) else "does not change"


def _cells(figures: Mapping[str, Any]) -> tuple[str, ...]:
    equal = figures["equal_predictions"]
    latency = figures["latency_ms"]
    return (
        f"{figures['accuracy']:.2%}",
        UNKNOWN if equal is None else f"{equal:.2%}",
        f"{figures['max_abs_difference']:.2g}",
        f"{latency['p50']:.3g} ms{'' if latency['settled'] else '?'}",
        f"{figures['size_mb']:.3g} MB",
    )
