"""A network as one file, made in the candidate's process. The zygote imports this early: a locked process could not."""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import io
import re
import types
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import ParametrizationList
from torch.nn.utils.rnn import PackedSequence
from torch.overrides import TorchFunctionMode

from lemonade_es.task import Task
from lemonade_es.trainer.export.form import FORMS, Form
from lemonade_es.trainer.network.candidate import example
from lemonade_es.trainer.network.refusal import Refusal

with contextlib.suppress(ImportError):  # it is an extra
    importlib.import_module("onnx")

INPUT, OUTPUT = "input", "logits"
OPSET = 17
"""Of deployed ONNX files: per-channel int8 needs 13, and runtimes of 2022 know it."""


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
    try:
        batch = example(task, 1, padded=False).cpu()
        with _explained("onnx", model.cpu(), batch):
            return _onnx(model, batch, {})
    finally:
        model.to(device)


_REASONS = {
    r"Exporting the operator '(?:aten::)?(\w+)' to ONNX opset version (\d+) is not supported": (
        "ONNX (opset {1}) has no {0}; write it in other operations, or export to another format"
    ),
    r"Could not export Python function call '(\w+)'": (
        "{0} is a torch.autograd.Function, which stays in Python; write its operations without one"
    ),
}
"""What the exporters say, and what it means: their own advice cannot be followed here."""

_PACKED = (
    "packed sequences (pack_padded_sequence) are exported to TorchScript alone; give the recurrent layer the padded "
    "batch, and take its output at each text's last token with gather"
)


class Deployed(nn.Module):
    """A network that takes images as they come from a file: uint8 ``(N, C, H, W)``, normalised inside.

    The arithmetic is that of the training, one multiplication and one addition, so that the logits are too.

    Args:
        model: the network; it is put in eval mode, on the CPU, in plain memory order.
        mean: of each channel, for pixels scaled to 0..1; empty for tokens and tables, which pass as they are.
        std: likewise.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, model: nn.Module, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.model = model
        self.images = len(mean) > 0
        if self.images:  # ExecuTorch takes no empty tensors
            centre = torch.tensor(mean, dtype=torch.float32).view(1, -1, 1, 1)
            spread = torch.tensor(std, dtype=torch.float32).view(1, -1, 1, 1)
            self.register_buffer("scale", 1 / (255 * spread))
            self.register_buffer("shift", -centre / spread)
        self.to(memory_format=torch.contiguous_format).cpu().eval()

    def forward(self, inputs: Tensor) -> Tensor:
        """Logits of raw inputs."""
        if self.images:
            inputs = inputs.to(torch.float32) * self.scale + self.shift
        logits: Tensor = self.model(inputs)
        return logits


def written(
    model: nn.Module, task: Task, mean: Sequence[float], std: Sequence[float], form: Form, rows: int | None
) -> bytes:
    """A network for raw inputs as one file; afterwards it is on the CPU, in eval mode and plain memory order.

    Args:
        model: the network.
        task: what it is for.
        mean: of each channel of images.
        std: likewise.
        form: what kind of file; not ``source``.
        rows: inputs in each batch; ``None`` takes any number.

    Raises:
        Refusal: it cannot be exported.
    """
    deployed = Deployed(model, mean, std)
    # two rows: nothing that depends on their number may look constant
    batch = raw(task, 2 if rows is None else rows)
    with _explained(form, deployed, batch), torch.no_grad():
        match form:
            case "onnx":
                axes = {} if rows is not None else {INPUT: {0: "batch"}, OUTPUT: {0: "batch"}}
                return _onnx(deployed, batch, {"dynamic_axes": axes, "opset_version": OPSET})
            case "torchscript":
                return _torchscript(deployed, batch)
            case "executorch":
                return _executorch(deployed, batch)
    raise AssertionError(form)


def raw(task: Task, rows: int) -> Tensor:
    """A random batch of inputs as a deployed network takes them."""
    if task.kind == "image":
        return torch.randint(0, 256, (rows, *task.input_shape), dtype=torch.uint8)
    return example(task, rows, padded=False).cpu()


@contextlib.contextmanager
def _explained(form: Form, model: nn.Module, batch: Tensor) -> Iterator[None]:
    """Quiet while a file is written, and a refusal where it cannot be."""
    fused = torch.backends.mha.get_fastpath_enabled()
    torch.backends.mha.set_fastpath_enabled(False)  # the exporters do not know the fused attention of eval mode
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()), _settled(model):
            warnings.simplefilter("ignore")
            yield
    except Exception as error:
        why = _PACKED if form != "torchscript" and _packs(model, batch) else _reason(error)
        raise Refusal("EXPORT_FAILED", f"the network cannot be exported to {FORMS[form].name}: {why}") from error
    finally:
        torch.backends.mha.set_fastpath_enabled(fused)


@contextlib.contextmanager
def _settled(model: nn.Module) -> Iterator[None]:
    """Weights that are made of others (spectral norm, ...) become plain ones: ONNX has not all that makes them."""
    made: list[Any] = [part for part in model.modules() if isinstance(part, ParametrizationList)]
    try:
        for part in made:
            part.register_buffer("settled", part().detach())
            part.forward = functools.partial(getattr, part, "settled")
        yield
    finally:
        for part in made:
            vars(part).pop("forward", None)
            part._buffers.pop("settled", None)


def _reason(error: Exception) -> str:
    """An exporter's reason in one line, with what to do about those that are usual."""
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    for pattern, told in _REASONS.items():
        if (found := re.search(pattern, reason)) is not None:
            return told.format(*found.groups())
    return reason[:300]


def _packs(model: nn.Module, batch: Tensor) -> bool:
    """Whether a recurrent layer gets a packed sequence, at which the exporters fail without naming it."""
    found: list[bool] = []

    def look(_layer: nn.Module, inputs: tuple[object, ...]) -> None:
        found.append(bool(inputs) and isinstance(inputs[0], PackedSequence))

    hooks = [layer.register_forward_pre_hook(look) for layer in model.modules() if isinstance(layer, nn.RNNBase)]
    try:
        with contextlib.suppress(Exception), torch.no_grad():  # candidate code may raise anything
            model(batch)
    finally:
        for hook in hooks:
            hook.remove()
    return any(found)


def _rms_norm(x: Tensor, shape: Sequence[int], weight: Tensor | None = None, eps: float | None = None) -> Tensor:
    axes = tuple(range(-len(shape), 0))
    x = x * torch.rsqrt((x * x).mean(axes, keepdim=True) + (torch.finfo(x.dtype).eps if eps is None else eps))
    return x if weight is None else x * weight


_TENSOR: Any = Tensor
_WORDS: dict[Any, Any] = {
    torch.rms_norm: _rms_norm,
    nn.functional.rms_norm: _rms_norm,
    _TENSOR.mT.__get__: lambda x: x.transpose(-2, -1),
}


class _InOtherWords(TorchFunctionMode):
    """What the exporter does not know, though it is usual, in operations that it knows."""

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _WORDS.get(function, function)(*args, **(kwargs or {}))


def _onnx(model: nn.Module, batch: Tensor, options: dict[str, Any]) -> bytes:
    file: Any = io.BytesIO()  # taken by this exporter, though not in its signature
    older: dict[str, Any] = {"dynamo": False} if "dynamo" in inspect.signature(torch.onnx.export).parameters else {}
    with _InOtherWords():
        torch.onnx.export(model, (batch,), file, input_names=[INPUT], output_names=[OUTPUT], **options, **older)
    return bytes(file.getvalue())


def _torchscript(model: nn.Module, batch: Tensor) -> bytes:
    # by its operations on an example: generated code is seldom what the compiler of the language takes
    trace: Any = torch.jit.trace
    traced = trace(model, (batch,), check_trace=False)
    file = io.BytesIO()
    torch.jit.save(torch.jit.freeze(traced), file)
    return file.getvalue()


def _executorch(model: nn.Module, batch: Tensor) -> bytes:
    # portable kernels: what writes the files of other backends starts a program, and a locked process cannot
    exir: Any = importlib.import_module("executorch.exir")
    program = exir.to_edge(torch.export.export(model, (batch,), strict=False))
    with _without_schema_files():
        return bytes(program.to_executorch().buffer)


@contextlib.contextmanager
def _without_schema_files() -> Iterator[None]:
    """ExecuTorch 1.5 copies its schemas into a temporary folder for ``flatc``, which is not used here."""
    package = "executorch.exir._serialize"
    schemas: Any = importlib.import_module(f"{package}._flatbuffer")._ResourceFiles
    writer: Any = importlib.import_module(f"{package}._flatbuffer_program")
    kept = schemas.write_to, writer.tempfile
    schemas.write_to = lambda *_: None
    writer.tempfile = types.SimpleNamespace(TemporaryDirectory=lambda: contextlib.nullcontext(""))
    try:
        yield
    finally:
        schemas.write_to, writer.tempfile = kept
