"""What is wrong with what a forward pass returned."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from lemonade_es.printable import shortened
from lemonade_es.wording import counted

_NAMES_SHOWN = 5
_NAME_LIMIT = 100
_NO_CLASS = "Return the logits, not the class that wins."
_AS_FLOAT = "Return them as float32."


@dataclass(frozen=True, slots=True)
class WrongOutput:
    """What came instead of the answers, in words, and what to do about it (empty where nothing is to be added)."""

    what: str
    advice: str = ""


def wrong_output(output: object, wanted: tuple[int, int]) -> WrongOutput | None:
    """What keeps an output from being answers of the shape ``wanted``; ``None`` if nothing does.

    Args:
        output: of a forward pass.
        wanted: rows and classes; with one class, a regression's numbers are meant, and not logits.
    """
    kind = shortened(type(output).__name__, _NAME_LIMIT)
    if not isinstance(output, Tensor):
        return WrongOutput("None" if output is None else f"a {kind}", _unpack(output, wanted))
    shape = tuple(output.shape)
    if shape != wanted:
        won = shape == wanted[:1] and wanted[1] > 1 and not output.is_floating_point()  # by argmax
        return WrongOutput(f"shape {shape}", _NO_CLASS if won else _reshape(shape, wanted))
    if not output.is_floating_point():
        return WrongOutput(f"{output.dtype}".removeprefix("torch."), _AS_FLOAT if wanted[1] == 1 else _NO_CLASS)
    return None


def called(wanted: tuple[int, int]) -> str:
    """What the answers of a shape are."""
    return "numbers" if wanted[1] == 1 else "logits"


def listed(names: Sequence[str]) -> str:
    """The first few names."""
    shown = ", ".join(shortened(name, _NAME_LIMIT) for name in names[:_NAMES_SHOWN])
    return shown if len(names) <= _NAMES_SHOWN else f"{shown} and {len(names) - _NAMES_SHOWN} more"


def _unpack(output: object, wanted: tuple[int, int]) -> str:
    if output is None:
        return "forward has no return statement."
    if isinstance(output, tuple | list) and sum(_are_logits(item, wanted) for item in output) > 1:
        alone = f"Auxiliary outputs are not trained: return the {called(wanted)} alone, in training mode, too"
        return f"{alone}; networks of torchvision do with aux_logits=False." if wanted[1] > 1 else f"{alone}."
    if isinstance(output, Mapping | tuple | list):
        return f"Take the {called(wanted)} out of it."
    return ""


def _are_logits(item: object, wanted: tuple[int, int]) -> bool:
    return isinstance(item, Tensor) and tuple(item.shape) == wanted


def _reshape(shape: tuple[int, ...], wanted: tuple[int, int]) -> str:
    rows, classes = wanted
    if classes == 1 and shape == (rows,):
        return "Leave out what removes the last dimension, or add unsqueeze(1)."
    if shape in ((classes,), ()):
        return "A squeeze() without a dimension removes the batch too: use flatten(1)."
    if shape[0] != rows:
        return "Keep the batch in the first dimension: flatten with flatten(1) or view(x.size(0), -1)."
    if math.prod(shape[1:]) == classes:
        return "Use flatten(1) to remove the dimensions of size 1."
    return {
        2: f"The last layer gives {counted(shape[-1], 'value')}, and {_sought(classes)}.",
        3: "Take the mean over the sequence, or one element of it, before the last nn.Linear.",
        4: "Pool and flatten the feature maps before the last nn.Linear.",
    }.get(len(shape), "")


def _sought(classes: int) -> str:
    return "one number is predicted" if classes == 1 else f"there are {classes} classes"
