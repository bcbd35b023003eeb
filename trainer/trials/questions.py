"""What a trial asks its child, and what counts as an answer."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lemonade_es.trainer.isolation.child import Child, broken, told
from lemonade_es.trainer.isolation.protocol import Frame, ProtocolError, TensorSpec, expect, manifest

OnProgress = Callable[[Frame], None]

_TENSOR_FILE_OVERHEAD = 4096
_ONNX_OVERHEAD = 64 << 20


@dataclass(frozen=True, slots=True)
class Questions:
    """The questions to one child; each raises ``CandidateFailed`` if it ends, is late, or says what cannot be.

    Attributes:
        child: who is asked.
        deadline: of all answers, on :func:`time.monotonic`'s clock.
        stall_seconds: the longest time without progress.
        classes: columns of what the network says of an input.
    """

    child: Child
    deadline: float
    stall_seconds: float
    classes: int

    def call(
        self,
        command: str,
        *,
        tensor_limit: int = 0,
        on_progress: OnProgress | None = None,
        tensors: bytes = b"",
        **arguments: object,
    ) -> Frame:
        """Any command of the bench."""
        return self.child.call(
            command,
            deadline=self.deadline,
            stall_seconds=self.stall_seconds,
            tensor_limit=tensor_limit,
            on_progress=on_progress,
            tensors=tensors,
            **arguments,
        )

    def obstacle(self, source: str, *, seed: int, macs: int, precision: str) -> str | None:
        """What stands against recording the training steps of a network; the child is to build it anew afterwards."""
        reply = self.call("rehearse", source=source, seed=seed, macs=macs, precision=precision)
        match reply.message:
            case {"obstacle": None}:
                return None
            case {"obstacle": str(obstacle)}:
                return told(obstacle)
        raise broken("a rehearsal without a result")

    def outputs(self, count: int, command: str = "predict", **arguments: Any) -> NDArray[np.float32]:
        """What the network says of so many inputs: logits ``(count, classes)``.

        Args:
            count: of the inputs.
            command: that is answered so.
            arguments: of the command; ``predict`` takes a ``split``, and ``rows`` or ``first`` of its inputs.
        """
        shape = (count, self.classes)
        limit = 4 * math.prod(shape) + _TENSOR_FILE_OVERHEAD
        reply = self.call(command, tensor_limit=limit, **arguments)
        try:
            spec = expect(reply.tensors, "logits", "F32", shape)
        except ProtocolError as error:
            raise broken(str(error)) from None
        return np.frombuffer(reply.tensors[spec.start : spec.end], "<f4").reshape(shape)

    def validation(self, count: int) -> NDArray[np.float32]:
        """What it says of the first ``count`` validation inputs.

        Nothing that it is asked may depend on their labels: it could check a guess by that.
        """
        return self.outputs(count, split="validation", first=count)

    def alone(self, count: int, show: Callable[[int], None]) -> NDArray[np.float32]:
        """What it says of the first ``count`` validation inputs, each of which it has only when it is asked.

        Args:
            count: of the inputs.
            show: gives it one input, by its row.
        """
        answers = []
        for row in range(count):
            show(row)
            answers.append(self.outputs(1, split="validation", rows=[row]))
        return np.concatenate(answers)

    def load(self, weights: bytes) -> None:
        """Has it take weights over; without any it keeps its own."""
        self.call("load", tensors=weights)

    def weights(self, limit: int) -> tuple[bytes, Mapping[str, TensorSpec]]:
        """The network's weights as safetensors bytes, and what is in them."""
        reply = self.call("weights", tensor_limit=limit)
        try:
            return reply.tensors, manifest(reply.tensors)
        except ProtocolError as error:
            raise broken(str(error)) from None

    def onnx(self, weights: int) -> bytes:
        """The network as an ONNX file.

        Args:
            weights: bytes that its weights take.
        """
        reply = self.call("export", tensor_limit=weights + _ONNX_OVERHEAD)
        try:
            spec = manifest(reply.tensors)["onnx"]
        except (ProtocolError, KeyError):
            raise broken("no ONNX file") from None
        return reply.tensors[spec.start : spec.end]
