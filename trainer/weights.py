"""Weights from a file of the user's: read as safetensors, held against the network before they go anywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from lemonade_es.errors import ConfigError
from lemonade_es.printable import one_line
from lemonade_es.trainer.isolation.protocol import ProtocolError, TensorSpec, UnreadTypeError, manifest

_NAMES_SHOWN = 5
_KINDS = {"F64": "float", "F32": "float", "F16": "float", "BF16": "float"}
_COUNTER = "num_batches_tracked"
"""The buffer of a batch normalisation that changes no answer, and that some converters leave out."""
_PICKLES = (
    (b"PK\x03\x04", "a ZIP archive, as torch.save writes it,"),
    *((bytes((0x80, protocol)), "a pickle") for protocol in range(2, 6)),
)
"""What begins so is no safetensors file: its header would be too long."""
_WRITE = (
    "write the weights with safetensors.torch.save_file("
    "{name: tensor.clone() for name, tensor in model.state_dict().items()}, FILE)"
)


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
            said = f"the weights are not this network's; {'; '.join(problems)}"
            raise ConfigError(said, where=self.where, hint=self._cure(wanted))

    def _cure(self, wanted: Mapping[str, TensorSpec]) -> str | None:
        """What is most likely wrong: a wrapper's prefix before all names, or tensors that were not written."""
        if prefix := _prefix(self.tensors, wanted):
            return f"its names begin with {prefix!r}, as a wrapper of the network has them: write them without"
        if (prefix := _prefix(wanted, self.tensors)) and all(name.startswith(prefix) for name in wanted):
            return f"the network's names begin with {prefix!r}, as a wrapper has them: write those of the file so, too"
        missing = wanted.keys() - self.tensors.keys()
        if missing and all(name.endswith(_COUNTER) for name in missing):
            return f"{_COUNTER} was left out, which batch normalisation saves with its weights; {_WRITE}"
        if set(self.tensors) < set(wanted):
            return f"if tensors are tied: safetensors.torch.save_model keeps one of them alone; {_WRITE}"
        return None


def _prefix(longer: Iterable[str], shorter: Iterable[str]) -> str | None:
    """What stands before all of some names, as ``module.`` does; ``None`` if nothing does.

    Args:
        longer: names, some of which begin with it.
        shorter: names without it.
    """
    some, whole = set(shorter), set(longer)
    if not some or some & whole:
        return None
    first = min(some)
    ends = sorted(name.removesuffix(first) for name in whole if name.endswith("." + first))
    return next((prefix for prefix in ends if {prefix + name for name in some} <= whole), None)


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
    except UnreadTypeError as error:
        hint = "turn such tensors into float32, times their scale if they have one, before they are written"
        raise ConfigError(f"{error}, which is not read", where=where, hint=hint) from None
    except ProtocolError as error:
        hint = f"pickles are not read; {_WRITE}"
        what = f"this is {found} and no safetensors file" if (found := _pickled(content)) else None
        raise ConfigError(what or f"this is no safetensors file: {error}", where=where, hint=hint) from None


def _pickled(content: bytes) -> str | None:
    """What kind of pickle a file is that is no safetensors file, if it is one."""
    if not any(content[4:8]):  # the length of a header
        return None
    return next((what for start, what in _PICKLES if content.startswith(start)), None)


def _kind(spec: TensorSpec) -> tuple[str, tuple[int, ...]]:
    return _KINDS.get(spec.dtype, spec.dtype), spec.shape


def _described(spec: TensorSpec) -> str:
    return f"{spec.dtype} {list(spec.shape)}"


def _listed(what: str, names: Iterable[str]) -> list[str]:
    found = [one_line(name)[:200] for name in names]
    if not found:
        return []
    more = f" and {len(found) - _NAMES_SHOWN} more" if len(found) > _NAMES_SHOWN else ""
    return [f"{what}: {', '.join(found[:_NAMES_SHOWN])}{more}"]
