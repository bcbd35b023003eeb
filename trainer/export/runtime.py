"""An exported file run by its own runtime, in a process where the candidate never was."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lemonade_es.task import Task
from lemonade_es.trainer.export.form import RAW_DTYPES, Form
from lemonade_es.trainer.export.graph import INPUT, OUTPUT
from lemonade_es.trainer.network.refusal import Refusal

Runner = Callable[[NDArray[Any]], NDArray[np.float32]]
"""Logits ``(N, classes)`` of raw inputs ``(N, ...)``."""


def opened(form: Form, content: bytes) -> Runner:
    """A file ready to run, on the CPU and on one thread.

    Args:
        form: what kind of file; not ``source``.
        content: the file.

    Raises:
        Refusal: its runtime does not take it.
    """
    try:
        match form:
            case "onnx":
                return _onnx(content)
            case "torchscript":
                return _torchscript(content)
            case "executorch":
                return _executorch(content)
    except Exception as error:
        raise Refusal("NOT_RUNNABLE", f"its runtime does not take the file: {_first_line(error)}") from error
    raise AssertionError(form)


def answers(run: Runner, inputs: NDArray[Any], task: Task, rows: int | None) -> NDArray[np.float32]:
    """The logits of many inputs.

    Args:
        run: the file, opened.
        inputs: uint8 images, integer tokens or table rows, ``(N, ...)``.
        task: what the network is for.
        rows: inputs in each batch; ``None`` takes 64.

    Raises:
        Refusal: it fails, or does not give a row of numbers for each input.
    """
    logits = []
    step = rows or 64
    for start in range(0, len(inputs), step):
        batch = prepared(inputs[start : start + step], task)
        try:
            found = np.asarray(run(batch), np.float32)
        except Exception as error:
            raise Refusal("NOT_RUNNABLE", f"the exported network fails: {_first_line(error)}") from error
        if found.shape != (len(batch), task.classes):
            raise Refusal("WRONG_OUTPUT", f"the exported network gives {found.shape} for {len(batch)} inputs")
        logits.append(found)
    return np.concatenate(logits)


def prepared(inputs: NDArray[Any], task: Task) -> NDArray[Any]:
    """Inputs of a data set in the type that exported networks take."""
    return np.ascontiguousarray(inputs, RAW_DTYPES[task.kind])


def session(content: bytes) -> Any:
    """An ONNX file in onnxruntime, silent, on one thread.

    Args:
        content: the file.
    """
    import onnxruntime  # noqa: PLC0415  (it is an extra, and most processes do without)

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def _onnx(content: bytes) -> Runner:
    opened = session(content)
    names = [entry.name for entry in opened.get_inputs()], [entry.name for entry in opened.get_outputs()]
    if names != ([INPUT], [OUTPUT]):
        raise ValueError(f"its inputs and outputs are {names[0][:3]} and {names[1][:3]}")

    def run(batch: NDArray[Any]) -> NDArray[np.float32]:
        logits: NDArray[np.float32] = opened.run(None, {INPUT: batch})[0]
        return logits

    return run


def _torchscript(content: bytes) -> Runner:
    load: Any = torch.jit.load
    module: Any = load(io.BytesIO(content), map_location="cpu").eval()

    def run(batch: NDArray[Any]) -> NDArray[np.float32]:
        with torch.inference_mode():
            logits: NDArray[np.float32] = module(torch.from_numpy(batch)).numpy()
        return logits

    return run


def _executorch(content: bytes) -> Runner:
    from executorch.runtime import Runtime  # noqa: PLC0415  (it is an extra)

    program = Runtime.get().load_program(content)
    method = program.load_method("forward")
    read_in_place = (content, program)  # which do not keep each other alive

    def run(batch: NDArray[Any]) -> NDArray[np.float32]:
        assert read_in_place  # noqa: S101  (as long as this function is there, they are)
        logits: NDArray[np.float32] = method.execute([torch.from_numpy(np.ascontiguousarray(batch))])[0].numpy()
        return logits

    return run


def _first_line(error: Exception) -> str:
    with contextlib.suppress(StopIteration):
        return next(line for line in str(error).splitlines() if line.strip())[:300]
    return type(error).__name__
