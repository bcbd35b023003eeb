"""What parent, zygote and child say to each other: frames of capped JSON and safetensors, never pickle.

A frame is two little-endian lengths (32 bits for the message, 64 bits for the tensors), a JSON object and
the bytes of a safetensors file, which may be none. The reader says beforehand how much of either it takes, and
until when; whatever else arrives is a :class:`ProtocolError`.
"""

from __future__ import annotations

import json
import math
import os
import select
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, NoReturn

MESSAGE_LIMIT = 64 * 1024
"""The longest JSON message that is taken from a child, in bytes; a report is the largest."""

_DEPTH_LIMIT = 12
_HEADER = struct.Struct("<IQ")
_CHUNK = 1 << 20
_TENSOR_HEADER = struct.Struct("<Q")
_TENSOR_HEADER_LIMIT = 8 << 20
_MOST_DIMENSIONS = 64
"""That PyTorch computes with; the product of a million sides would take hours."""

_ITEM_BYTES: Mapping[str, int] = MappingProxyType(
    {
        "F64": 8,
        "F32": 4,
        "F16": 2,
        "BF16": 2,
        "I64": 8,
        "I32": 4,
        "I16": 2,
        "I8": 1,
        "U64": 8,
        "U32": 4,
        "U16": 2,
        "U8": 1,
        "BOOL": 1,
        "C64": 8,
    }
)


class ProtocolError(Exception):
    """The other side sent what it must not send."""


class UnreadTypeError(ProtocolError):
    """A tensor is of a type that is not read."""


class ChannelClosedError(Exception):
    """The other side has closed its end, most likely because it has ended."""


class DeadlinePassedError(Exception):
    """The other side was not done in time."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message and the tensors that came with it."""

    message: Mapping[str, Any]
    tensors: bytes = b""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """A tensor in a safetensors file: its type, its shape, and where its bytes are in the file."""

    dtype: str
    shape: tuple[int, ...]
    start: int
    end: int


class Channel:
    """One end of a stream of frames with a side that may do anything; it reads and writes a descriptor.

    Deadlines are on :func:`time.monotonic`'s clock and hold for a frame as a whole; ``None`` waits for ever.
    """

    def __init__(self, descriptor: int) -> None:
        os.set_blocking(descriptor, False)
        self._descriptor = descriptor

    def send(self, message: Mapping[str, object], tensors: bytes = b"", *, deadline: float | None = None) -> None:
        """Writes one frame.

        Args:
            message: a JSON object of finite numbers.
            tensors: a safetensors file, or nothing.
            deadline: when to give up.

        Raises:
            ChannelClosedError: nobody reads any more.
            DeadlinePassedError: the other side did not read in time.
        """
        text = encode(message)
        for part in (_HEADER.pack(len(text), len(tensors)) + text, tensors):
            view = memoryview(part)
            while view:
                self._wait(select.POLLOUT, deadline)
                try:
                    view = view[os.write(self._descriptor, view[:_CHUNK]) :]
                except BlockingIOError:
                    continue
                except OSError as error:
                    raise ChannelClosedError(str(error)) from None

    def receive(
        self, *, deadline: float | None = None, tensor_limit: int = 0, message_limit: int = MESSAGE_LIMIT
    ) -> Frame:
        """Reads one frame.

        Args:
            deadline: when to give up.
            tensor_limit: the most bytes of tensors to take; 0 expects none.
            message_limit: the longest message to take, in bytes.

        Raises:
            ProtocolError: the frame is too large, or no JSON object.
            ChannelClosedError: the other side closed its end.
            DeadlinePassedError: the frame was not complete in time.
        """
        text_length, tensor_length = _HEADER.unpack(self._exactly(_HEADER.size, deadline))
        if text_length > message_limit:
            raise ProtocolError(f"a message of {text_length} bytes; at most {message_limit} are taken")
        if tensor_length > tensor_limit:
            raise ProtocolError(f"{tensor_length} bytes of tensors; at most {tensor_limit} were asked for")
        message = decode(self._exactly(text_length, deadline))
        return Frame(message, self._exactly(tensor_length, deadline))

    def close(self) -> None:
        """Closes this end."""
        os.close(self._descriptor)

    def _exactly(self, count: int, deadline: float | None) -> bytes:
        # it grows with what has really come: a length is only a claim
        data = bytearray()
        while len(data) < count:
            self._wait(select.POLLIN, deadline)
            try:
                chunk = os.read(self._descriptor, min(_CHUNK, count - len(data)))
            except BlockingIOError:
                continue
            except OSError as error:
                raise ChannelClosedError(str(error)) from None
            if not chunk:
                raise ChannelClosedError("the other end is closed")
            data += chunk
        return bytes(data)

    def _wait(self, event: int, deadline: float | None) -> None:
        poll = select.poll()
        poll.register(self._descriptor, event)
        left = None if deadline is None else deadline - time.monotonic()
        if left is not None and left <= 0:
            raise DeadlinePassedError
        if not poll.poll(None if left is None else math.ceil(left * 1000)):
            raise DeadlinePassedError


def encode(message: Mapping[str, object]) -> bytes:
    """A message as JSON; numbers must be finite."""
    return json.dumps(message, allow_nan=False, separators=(",", ":")).encode()


def decode(text: bytes) -> dict[str, Any]:
    """A JSON object: finite numbers, no key twice, nested no deeper than a message needs.

    Raises:
        ProtocolError: it is anything else.
    """
    try:
        value = json.loads(
            str(text, "utf-8"),  # other readers of a file of tensors take no other encoding
            parse_constant=_refuse_constant,
            object_pairs_hook=_object,
            parse_float=_finite,
            parse_int=_whole,
        )
    except (ValueError, RecursionError) as error:
        raise ProtocolError(f"a message that is not JSON: {str(error)[:200]}") from None
    if not isinstance(value, dict):
        raise ProtocolError(f"a message that is a {type(value).__name__} and not an object")
    if _deeper_than(value, _DEPTH_LIMIT):
        raise ProtocolError(f"a message nested deeper than {_DEPTH_LIMIT}")
    return value


def manifest(tensors: bytes) -> dict[str, TensorSpec]:
    """What a safetensors file holds, by name, with every length checked against every other.

    Raises:
        ProtocolError: the file is not what it says it is, or, as an :class:`UnreadTypeError`, has a tensor of 8 bits or
            another type that is not read.
    """
    if len(tensors) < _TENSOR_HEADER.size:
        raise ProtocolError("a tensor file without a header")
    (length,) = _TENSOR_HEADER.unpack_from(tensors)
    body = _TENSOR_HEADER.size + length
    if length > _TENSOR_HEADER_LIMIT or body > len(tensors):
        raise ProtocolError(f"a tensor file with a header of {length} bytes")
    entries = decode(tensors[_TENSOR_HEADER.size : body])
    entries.pop("__metadata__", None)
    specs = {name: _spec(name, entry, body) for name, entry in entries.items()}
    position = body
    for name, spec in sorted(specs.items(), key=lambda item: (item[1].start, item[1].end)):
        if spec.start != position or spec.end > len(tensors):
            raise ProtocolError(f"tensor {name[:100]!r} is not where its file says")
        position = spec.end
    if position != len(tensors):
        raise ProtocolError(f"{len(tensors) - position} bytes behind the last tensor")
    return specs


def expect(tensors: bytes, name: str, dtype: str, shape: tuple[int, ...]) -> TensorSpec:
    """The one tensor that a file must hold.

    Raises:
        ProtocolError: it holds another.
    """
    found = manifest(tensors)
    if list(found) != [name] or found[name].dtype != dtype or found[name].shape != shape:
        said = ", ".join(f"{key[:100]} {spec.dtype} {spec.shape}" for key, spec in list(found.items())[:3])
        raise ProtocolError(f"tensors {said or 'none'}; expected {name} {dtype} {shape}")
    return found[name]


def _spec(name: str, entry: object, body: int) -> TensorSpec:
    match entry:
        case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(start), int(end)]} if (
            dtype in _ITEM_BYTES
            and 0 <= start <= end
            and len(shape) <= _MOST_DIMENSIONS
            and all(type(side) is int and side >= 0 for side in shape)
            and math.prod(shape) * _ITEM_BYTES[dtype] == end - start
        ):
            return TensorSpec(dtype, tuple(shape), body + start, body + end)
        case {"dtype": str(dtype)} if dtype not in _ITEM_BYTES:
            raise UnreadTypeError(f"tensor {name[:100]!r} is of type {dtype[:20]!r}")
    raise ProtocolError(f"tensor {name[:100]!r} is described wrongly")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key that comes twice")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:50]} is not finite")
    return value


def _whole(text: str) -> int:
    value = int(text)
    if abs(value) >= 2**63:  # arithmetic with a float would overflow
        raise ValueError(f"{text[:50]} is too large a number")
    return value


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no number")


def _deeper_than(value: object, limit: int) -> bool:
    layer = [value]
    for _ in range(limit):
        below: list[object] = []
        for item in layer:
            if isinstance(item, dict):
                below.extend(item.values())
            elif isinstance(item, list):
                below.extend(item)
        if not below:
            return False
        layer = below
    return True
