"""Weights from a file of the user's: read as safetensors, held against the network before they go anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lemonade_es.errors import ConfigError
from lemonade_es.trainer.isolation.protocol import ProtocolError, TensorSpec, manifest

_NAMES_SHOWN = 5
_KINDS = {"F64": "float", "F32": "float", "F16": "float", "BF16": "float"}


@dataclass(frozen=True, slots=True)
class Weights:
    """A safetensors file.

    Attributes:
        where: its path, for errors.
        content: its bytes.
        tensors: what is in it.
    """

    where: str
    content: bytes
    tensors: Mapping[str, TensorSpec]

    def demand_fit(self, wanted: Mapping[str, TensorSpec]) -> None:
        """Passes if these are the tensors of a network; floating-point numbers may have another precision.

        Args:
            wanted: the network's own.

        Raises:
            ConfigError: it names the tensors that are missing, left over, or of another shape or kind.
        """
        problems = [
            *_listed("missing", (name for name in sorted(wanted) if name not in self.tensors)),
            *_listed("not in the network", (name for name in sorted(self.tensors) if name not in wanted)),
            *_listed(
                "different",
                (
                    f"{name} is {_described(self.tensors[name])}, the network's is {_described(spec)}"
                    for name, spec in sorted(wanted.items())
                    if name in self.tensors and _kind(self.tensors[name]) != _kind(spec)
                ),
            ),
        ]
        if problems:
            raise ConfigError(f"the weights are not this network's; {'; '.join(problems)}", where=self.where)


def read_weights(path: Path, limit: int) -> Weights:
    """The weights in a file.

    Args:
        path: of the file.
        limit: the most bytes to read.

    Raises:
        ConfigError: it cannot be read, is too large, or is no safetensors file.
    """
    where = str(path)
    try:
        size = path.stat().st_size
        if size > limit:
            raise ConfigError(f"{size} bytes of weights are too many", where=where, hint=f"at most {limit} are taken")
        content = path.read_bytes()
    except OSError as error:
        raise ConfigError(f"the weights cannot be read: {error.strerror}", where=where) from None
    try:
        return Weights(where, content, manifest(content))
    except ProtocolError as error:
        raise ConfigError(
            f"this is no safetensors file: {error}",
            where=where,
            hint="pickles are not read; write the weights with safetensors.torch.save_file(model.state_dict(), FILE)",
        ) from None


def _kind(spec: TensorSpec) -> tuple[str, tuple[int, ...]]:
    return _KINDS.get(spec.dtype, spec.dtype), spec.shape


def _described(spec: TensorSpec) -> str:
    return f"{spec.dtype} {list(spec.shape)}"


def _listed(what: str, names: Iterable[str]) -> list[str]:
    found = [name[:200] for name in names]
    if not found:
        return []
    more = f" and {len(found) - _NAMES_SHOWN} more" if len(found) > _NAMES_SHOWN else ""
    return [f"{what}: {', '.join(found[:_NAMES_SHOWN])}{more}"]
