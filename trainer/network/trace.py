"""What one forward pass of a network does: layers used, joins, work, memory, and the operations in order.

Two views of the same pass: torch functions as the source calls them (``relu``, ``conv2d``, ``+``) give the
census; the ATen operations below them, which do not depend on how the source is written, give the work and
the digest.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules import batchnorm, instancenorm, module, normalization
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from lemonade_es.trainer.network.work import OF_VECTORS, flops

_CONVOLUTION = re.compile(r"conv(_transpose)?[123]d")
_DROPOUT = re.compile(r"(feature_)?(alpha_)?dropout(\dd)?_?")
_NORMS = frozenset({"batch_norm", "group_norm", "instance_norm", "layer_norm", "local_response_norm", "rms_norm"})
_SUMS = frozenset({"add", "add_", "__add__", "__radd__", "__iadd__"})
_CONCATENATIONS = frozenset({"cat", "concat", "concatenate", "hstack", "vstack"})
_PRODUCTS = frozenset({"matmul", "__matmul__", "mm"})
_RECURRENT = frozenset({"lstm", "gru", "rnn_tanh", "rnn_relu", "lstm_cell", "gru_cell"})
_NORM_MODULES = (
    batchnorm._NormBase,
    instancenorm._InstanceNorm,
    normalization.GroupNorm,
    normalization.LayerNorm,
    normalization.LocalResponseNorm,
    *([normalization.RMSNorm] if hasattr(normalization, "RMSNorm") else []),
)
_NOISE = re.compile(r"noise|drop_?path|stochastic", re.IGNORECASE)
_UNASKED = "support saved tensor hooks"
"""How PyTorch says that autograd cannot be asked what it keeps: inside of ``torch.func.grad``."""
# where F.multi_head_attention_forward has what we count
_IN_PROJECTION, _ATTENTION_DROPOUT, _OUT_PROJECTION = 5, 10, 11


@dataclass(slots=True)
class Trace:
    """What was seen during one forward pass.

    Attributes:
        rows: inputs in the batch.
        kernels: output channels of each convolution used, by the storage of its weight.
        neurons: output features of each dense layer used, by the storage of its weight, in order of use.
        dropouts: the rate of each dropout passed.
        skips: joins of two activations by addition or concatenation.
        regularizers: normalisation, noise and stochastic-depth layers passed.
        operations: one line for each ATen operation: name, operands, hyperparameters, result shapes.
        flops: floating-point operations of convolutions and matrix products.
        saved_bytes: what autograd keeps for the backward pass, parameters left out.
        strangers: classes of the layers with weights that are called without being part of the network.
    """

    rows: int
    kernels: dict[int, int] = field(default_factory=dict)
    neurons: dict[int, int] = field(default_factory=dict)
    dropouts: list[float] = field(default_factory=list)
    skips: int = 0
    regularizers: int = 0
    operations: list[str] = field(default_factory=list)
    flops: int = 0
    saved_bytes: int = 0
    strangers: list[str] = field(default_factory=list)

    @property
    def macs(self) -> int:
        """Multiply-accumulates of one input, a lower bound."""
        return self.flops // 2 // self.rows


def trace(model: nn.Module, inputs: Tensor, *, training: bool = True) -> tuple[Trace, Any]:
    """Run a network forward once and watch it; in train mode running statistics of norms move.

    Args:
        model: the network, on any device, on ``meta`` if it has no recurrent layers.
        inputs: a batch on the same device.
        training: whether in train mode; it is left as it was run.

    Returns:
        What was seen, and the output of the network.
    """
    model.train(training)
    try:
        return _traced(model, inputs, asked=True)
    except RuntimeError as error:
        if _UNASKED not in str(error):
            raise
    return _traced(model, inputs, asked=False)


def _traced(model: nn.Module, inputs: Tensor, *, asked: bool) -> tuple[Trace, Any]:
    """One pass, in the mode that the network is in.

    Args:
        model: the network.
        inputs: the batch.
        asked: whether autograd is asked what it keeps; else that is at most all that the operations give.
    """
    seen = Trace(rows=len(inputs))
    operations = _Operations(seen, inputs)
    calls = _Calls(seen, model, inputs, operations)
    saved = torch.autograd.graph.saved_tensors_hooks(_Saved(seen, model), _same)
    with (
        torch.enable_grad(),
        saved if asked else nullcontext(),
        calls.watching_modules(),
        calls,
        operations,
    ):
        output = model(inputs)
    if not asked:
        seen.saved_bytes = operations.given_bytes
    return seen, output


def _storage(tensor: Tensor) -> int:
    """The identity of a tensor's memory, which its views share, as long as the tensor lives."""
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError):  # sparse tensors, and those that torch.func.vmap works on
        return id(tensor)


def _tensors(value: object) -> Iterator[Tensor]:
    return (leaf for leaf in tree_leaves(value) if isinstance(leaf, Tensor))


def _same(tensor: Tensor) -> Tensor:
    return tensor


class _Saved:
    """Counts, once each, the storages that autograd keeps."""

    def __init__(self, seen: Trace, model: nn.Module) -> None:
        self._seen = seen
        self._counted = {_storage(tensor) for tensor in (*model.parameters(), *model.buffers())}

    def __call__(self, tensor: Tensor) -> Tensor:
        if tensor.layout is torch.strided and (storage := _storage(tensor)) not in self._counted:
            self._counted.add(storage)
            self._seen.saved_bytes += tensor.untyped_storage().nbytes()
        return tensor


class _Operations(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """The ATen operations. A tensor is named by the order in which its storage was first seen."""

    def __init__(self, seen: Trace, inputs: Tensor) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._seen = seen
        self._names: dict[int, int] = {}
        self._derived = {_storage(inputs)}  # storages of what was computed from the input
        self._alive: list[Any] = []  # a storage's identity is only its own while it lives
        self.paused = False

    def __torch_dispatch__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        self._alive.append(result)
        derived = any(_storage(tensor) in self._derived for tensor in _tensors((args, kwargs)))
        if derived:
            self._derived.update(_storage(tensor) for tensor in _tensors(result))
        if self.paused:
            return result
        if derived or func._overloadpacket not in OF_VECTORS:
            self._seen.flops += flops(func._overloadpacket, args, kwargs, result)
        given = (*args, *(kwargs[name] for name in sorted(kwargs)))
        self.note(str(func), given, result)
        return result

    @property
    def given_bytes(self) -> int:
        """Of all that the operations have given, each tensor once."""
        return sum({_storage(tensor): tensor.nbytes for tensor in _tensors(self._alive)}.values())

    def note(self, name: str, given: object, result: object) -> None:
        """Write one operation down."""
        self._seen.operations.append(f"{name}({self._described(given)})->{self._described(result)}")

    def _described(self, value: object) -> str:
        if isinstance(value, Tensor):
            name = self._names.setdefault(_storage(value), len(self._names))
            return f"%{name}{'nested' if value.is_nested else list(value.shape)}{value.dtype}"
        if isinstance(value, list | tuple):
            return ",".join(map(self._described, value))
        if isinstance(value, bool | int | float | str | torch.dtype) or value is None:
            return repr(value)
        return type(value).__name__  # devices, layouts, generators


class _Calls(TorchFunctionMode):
    """The torch functions that the source calls."""

    def __init__(self, seen: Trace, model: nn.Module, inputs: Tensor, operations: _Operations) -> None:
        super().__init__()
        self._seen = seen
        self._operations = operations
        self._parameters = {_storage(parameter) for parameter in model.parameters()}
        self._layers = {id(layer) for layer in model.modules()}
        self._input = _storage(inputs)
        self._derived = {self._input}  # storages of what was computed from the input
        self._alive: list[Any] = [inputs]
        self._inside_norm = 0

    def __torch_function__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        name: str = getattr(func, "__name__", "")
        if name in _SUMS or name in _CONCATENATIONS:
            self._count_join((args, kwargs))
        result = self._whole(func, name, args, kwargs) if name in _RECURRENT else func(*args, **kwargs)
        self._count_layer(name, args, kwargs)
        self._follow(name, args, kwargs, result)
        return result

    @contextmanager
    def watching_modules(self) -> Iterator[None]:
        """Count norms and noise by the modules that are called; what a norm computes inside is its own."""
        before = module.register_module_forward_pre_hook(self._enter)
        after = module.register_module_forward_hook(self._leave)
        try:
            yield
        finally:
            before.remove()
            after.remove()

    def _enter(self, layer: nn.Module, _inputs: Any) -> None:
        if id(layer) not in self._layers and any(True for _ in layer.parameters()):
            self._seen.strangers.append(type(layer).__name__)
        if _is_norm(layer):
            self._seen.regularizers += not self._inside_norm
            self._inside_norm += 1
        elif _NOISE.search(type(layer).__name__):
            self._seen.regularizers += 1

    def _leave(self, layer: nn.Module, _inputs: Any, _output: Any) -> None:
        self._inside_norm -= _is_norm(layer)

    def _whole(self, func: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """A recurrent layer as one operation: what it does at each time step is the same again and again."""
        if args[0].is_meta:
            raise NotImplementedError("recurrent layers take seconds on the meta device, step by step in Python")
        self._operations.paused = True
        try:
            result = func(*args, **kwargs)
        finally:
            self._operations.paused = False
        self._operations.note(name, args, result)
        matrices = (tensor for tensor in _tensors(args[1:]) if tensor.dim() == 2 and self._is_parameter(tensor))
        steps = args[0].shape[:-1].numel()
        self._seen.flops += 2 * steps * sum(matrix.numel() for matrix in matrices)
        return result

    def _count_layer(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if _CONVOLUTION.fullmatch(name):
            weight = _argument(args, kwargs, 1, "weight")
            groups = _argument(args, kwargs, 6, "groups", 1) if "transpose" in name else None
            self._seen.kernels[_storage(weight)] = weight.shape[1] * groups if groups else weight.shape[0]
        elif name == "linear":
            self._count_dense(_argument(args, kwargs, 1, "weight"), 0)
        elif name in _PRODUCTS and len(args) == 2 and self._is_parameter(args[1]) and args[1].dim() == 2:
            self._count_dense(args[1], 1)
        elif name == "multi_head_attention_forward":
            self._count_dense(_argument(args, kwargs, _IN_PROJECTION, "in_proj_weight"), 0)
            self._count_dense(_argument(args, kwargs, _OUT_PROJECTION, "out_proj_weight"), 0)
            self._count_dropout(_argument(args, kwargs, _ATTENTION_DROPOUT, "dropout_p", 0.0))
        elif name == "scaled_dot_product_attention":
            self._count_dropout(_argument(args, kwargs, 4, "dropout_p", 0.0))
        elif name in _RECURRENT:
            self._count_dropout(next((value for value in args if isinstance(value, float)), 0.0))
        elif _DROPOUT.fullmatch(name):
            if _argument(args, kwargs, 2, "training", True):
                self._count_dropout(_argument(args, kwargs, 1, "p", 0.5))
        elif name in _NORMS and not self._inside_norm:
            self._seen.regularizers += 1

    def _count_dense(self, weight: Tensor | None, output_axis: int) -> None:
        if weight is not None:
            self._seen.neurons[_storage(weight)] = weight.shape[output_axis]

    def _count_dropout(self, rate: float) -> None:
        if rate:
            self._seen.dropouts.append(float(rate))

    def _count_join(self, arguments: Any) -> None:
        joined = {
            _storage(tensor)
            for tensor in _tensors(arguments)
            if tensor.is_floating_point() and self._is_activation(tensor)
        }
        self._seen.skips += len(joined) > 1

    def _is_activation(self, tensor: Tensor) -> bool:
        # masks and noise made from the input's shape or tokens carry no gradient
        storage = _storage(tensor)
        return storage in self._derived and (tensor.requires_grad or storage == self._input)

    def _is_parameter(self, value: object) -> bool:
        return isinstance(value, Tensor) and _storage(value) in self._parameters

    def _follow(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> None:
        if name.endswith("_like") or name.startswith("new_"):
            return
        if any(_storage(tensor) in self._derived for tensor in _tensors((args, kwargs))):
            made = [args[0]] if name == "__setitem__" else result
            self._derived.update(_storage(tensor) for tensor in _tensors(made))
            self._alive.append(made)


def _is_norm(layer: nn.Module) -> bool:
    if isinstance(layer, _NORM_MODULES):
        return True
    return not any(True for _ in layer.children()) and type(layer).__name__.lower().endswith("norm")


def _argument(args: tuple[Any, ...], kwargs: dict[str, Any], position: int, name: str, default: Any = None) -> Any:
    return args[position] if len(args) > position else kwargs.get(name, default)
