"""What of a network's state a file of weights can hold."""

from __future__ import annotations

import re
from typing import Any

_SAVED_AS_THEY_ARE = ("bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "complex64")
"""Types of tensors; floating-point ones are saved with 32 bits."""
_SURROGATE = re.compile(r"[\ud800-\udfff]")


def unsavable(name: str, entry: Any) -> str | None:
    """Why an entry of a network's ``state_dict()`` is not saved with its weights, if so.

    Args:
        name: of the entry.
        entry: a tensor, as it should be.
    """
    layout = getattr(entry, "layout", None)
    if layout is None:
        return f"a {type(entry).__name__}"
    if str(layout) != "torch.strided":
        return "a sparse tensor"
    kind = str(entry.dtype).removeprefix("torch.")
    if not entry.is_floating_point() and kind not in _SAVED_AS_THEY_ARE:
        return f"a tensor of {kind}"
    if name == "__metadata__":
        return "a name that files of weights keep for themselves"
    return "a name that is no Unicode text" if _SURROGATE.search(name) else None
