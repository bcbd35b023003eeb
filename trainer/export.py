"""A network as ONNX, made in the candidate's process. The zygote imports this early: a locked process could not."""

from __future__ import annotations

import contextlib
import importlib
import inspect
import io
import warnings
from typing import Any

import torch
from torch import nn

from lemonade_es.task import Task
from lemonade_es.trainer.candidate import Refusal, example

with contextlib.suppress(ImportError):  # it is an extra
    importlib.import_module("onnx")

INPUT, OUTPUT = "input", "logits"


def to_onnx(model: nn.Module, task: Task) -> bytes:
    """A network in eval mode as ONNX, for batches of one input; it stays as it is.

    torch's exporter over TorchScript is used: it needs the ``onnx`` package alone and takes a tenth of a second, where
    the one over ``torch.export`` needs ``onnxscript`` too, and seconds.

    Args:
        model: the network, on any device.
        task: what it is for.

    Raises:
        Refusal: it cannot be exported.
    """
    device = next((tensor.device for tensor in model.parameters()), torch.device("cpu"))
    file: Any = io.BytesIO()  # taken by this exporter, though not in its signature
    older: dict[str, Any] = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            torch.onnx.export(
                model.cpu(),
                (example(task, 1).cpu(),),
                file,
                input_names=[INPUT],
                output_names=[OUTPUT],
                **older,
            )
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise Refusal("EXPORT_FAILED", f"the network cannot be exported to ONNX: {reason[0][:300]}") from error
    finally:
        model.to(device)
    return bytes(file.getvalue())
