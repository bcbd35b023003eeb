"""Which rectified units of a network are ever active: one forward pass, watched from outside of its source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn
from torch._C import _functorch as functorch
from torch.overrides import TorchFunctionMode

_DEAD_LAYER = 0.9
_LAST = frozenset({"linear", "matmul", "__matmul__", "bmm", "addmm", "baddbmm", "embedding", "layer_norm"})
_SECOND = frozenset({"conv1d", "conv2d", "conv3d", "conv_transpose1d", "conv_transpose2d", "batch_norm", "group_norm"})


@dataclass(frozen=True, slots=True)
class Activity:
    """How many units and layers there are, and how many of them are dead.

    Attributes:
        units: rectified units: channels of feature maps, or features.
        dead_units: those that were zero for every input and place.
        layers: calls of a rectifier.
        dead_layers: those with more than 90 % of dead units.
    """

    units: int
    dead_units: int
    layers: int
    dead_layers: int


def activity(model: nn.Module, batch: Tensor) -> Activity:
    """Runs a batch through a network and counts.

    A rectifier is whatever makes negative numbers exactly 0: ``ReLU`` and ``ReLU6`` as module, function or method, in
    place or not, ``threshold``, ``hardtanh`` and ``clamp`` from 0. Leaky rectifiers and smooth ones (GELU, SiLU) have
    no dead units. Those inside of recurrent cells are not seen.

    Args:
        model: in eval mode.
        batch: prepared inputs, on the network's device.
    """
    rectifiers = _Rectifiers(len(batch))
    # a network may draw random numbers even in eval mode
    with torch.no_grad(), torch.random.fork_rng(devices=[]), rectifiers:
        model(batch)
    layers = [(len(active), int((~active).sum())) for active in rectifiers.active]
    return Activity(
        units=sum(units for units, _ in layers),
        dead_units=sum(dead for _, dead in layers),
        layers=len(layers),
        dead_layers=sum(dead > _DEAD_LAYER * units for units, dead in layers),
    )


def _bounded_by_0(name: str, default: float) -> Callable[[tuple[Any, ...], Mapping[str, Any]], bool]:
    """A test of a call's arguments: whether the lower bound, the second one, is 0."""

    def is_zero(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        bound = kwargs.get(name, args[1] if len(args) > 1 else default)
        return isinstance(bound, int | float) and bound == 0

    return is_zero


def _always(_: tuple[Any, ...], __: Mapping[str, Any]) -> bool:
    return True


_RECTIFIERS: Mapping[str, Callable[[tuple[Any, ...], Mapping[str, Any]], bool]] = MappingProxyType(
    {
        "relu": _always,
        "relu6": _always,
        "threshold": _bounded_by_0("threshold", 1),
        "hardtanh": _bounded_by_0("min_val", -1),
        "clamp": _bounded_by_0("min", 1),
        "clamp_min": _bounded_by_0("min", 1),
        "clip": _bounded_by_0("min", 1),
    }
)


@dataclass
class _Rectifiers(TorchFunctionMode):
    """Sees every call of PyTorch's functions; what a module calls inside of one is not told again."""

    rows: int
    active: list[Tensor] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()
        self._features = 1

    def __torch_function__(
        self,
        func: Any,
        types: Iterable[type],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        name = getattr(func, "__name__", "")
        if name in _LAST:
            self._features = -1
        elif name in _SECOND:
            self._features = 1
        # in-place forms end in an underscore, and functional.threshold is called _threshold
        rectifies = _RECTIFIERS.get(name.strip("_"))
        if rectifies is not None and rectifies(args, kwargs) and isinstance(result, Tensor):
            self._count(result)
        return result

    def _count(self, result: Tensor) -> None:
        # a weight that is kept positive is no unit
        if result.dim() < 2 or result.is_nested or len(result) % self.rows or not result.numel():
            return
        features = self._features % result.dim()
        others = [dim for dim in range(result.dim()) if dim != features]
        # what is not a number is not dead
        self.active.append(_unwrapped(~(result.detach().amax(others) <= 0)).flatten())


def _unwrapped(tensor: Tensor) -> Tensor:
    """What is behind a tensor that holds inside of a function of ``torch.func`` alone: of ``vmap`` all its layers."""
    while functorch.is_functorch_wrapped_tensor(tensor):
        tensor = functorch.get_unwrapped(tensor)
    return tensor
