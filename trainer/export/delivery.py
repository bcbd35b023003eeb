"""An export from its wish to a checked file: one child makes it, others run it, and the parent compares."""

from __future__ import annotations

import ast
import math
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import safetensors.numpy
from numpy.typing import NDArray

from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.export.form import FORMS, Form
from lemonade_es.trainer.isolation.child import CandidateFailed, Child, broken
from lemonade_es.trainer.isolation.protocol import Frame, ProtocolError, expect, manifest
from lemonade_es.trainer.measurement import Failure, Latency
from lemonade_es.trainer.measuring.latency import WARM_UPS, latency
from lemonade_es.trainer.measuring.scoring import score
from lemonade_es.trainer.trials.questions import Questions
from lemonade_es.trainer.weights import Weights

TOLERANCE = 1e-3
"""Of logits in float32, relative to the largest one (or 1, if that is smaller)."""

_HEADROOM = 64 << 20
_ASKED_AGAIN = 64
"""Inputs that show whether the network itself answers otherwise each time."""

_EXPRESSION_LENGTH = 1000
_WEIGHT = re.compile(r"weight_\d{1,6}")
_EXPRESSION_NODES = (
    *(ast.Expression, ast.Call, ast.keyword, ast.Attribute, ast.Name, ast.Load),
    *(ast.Constant, ast.Tuple, ast.UnaryOp, ast.USub),
)

Open = Callable[[Literal["bench", "stand"]], Child]
"""Gives a fresh locked child for a work."""


@dataclass(frozen=True, slots=True)
class Format:
    """What to export to.

    Attributes:
        form: the kind of file.
        int8: whether its weights and activations are to be 8-bit integers.
    """

    form: Form
    int8: bool = False


@dataclass(frozen=True, slots=True)
class Figures:
    """How one form of the network does on the validation set, on this machine's CPU.

    Attributes:
        megabytes: of its file, in 10^6 bytes.
        accuracy: share of right answers; R2, clipped at 0, for regression.
        latency: at batch size 1 on one thread.
        max_abs_difference: the largest difference of an output from PyTorch's.
        equal_share: share of the inputs whose largest output is the same as in PyTorch; ``None`` for regression.
    """

    megabytes: float
    accuracy: float
    latency: Latency
    max_abs_difference: float = 0.0
    equal_share: float | None = None


@dataclass(frozen=True, slots=True)
class Exported:
    """A network as a file, with what came of checking it.

    Attributes:
        wanted: what was asked for.
        content: the file.
        rows: inputs that a batch must have; ``None`` is any number.
        making: for ``source``, the expression over the module ``source`` that makes the network.
        inputs: of the validation set, all of which were used.
        pytorch: the network in PyTorch, from which it was made.
        file: the file by its own runtime.
        unquantised: the same in float32, where ``file`` is in int8.
        int8_weights: a safetensors file with the int8 tensors and their scales, where ``file`` is in int8.
        limit: the largest ``max_abs_difference`` that float32 may have.
    """

    wanted: Format
    content: bytes
    rows: int | None
    making: str | None
    inputs: int
    pytorch: Figures
    file: Figures
    unquantised: Figures | None
    int8_weights: bytes | None
    limit: float


@dataclass(frozen=True, slots=True)
class _Made:
    """What came out of the child that ran the source.

    Attributes:
        content: the file.
        making: for ``source``, the expression that makes the network.
        logits: of the validation set.
        unrest: the largest difference of an output from the same input's a moment later.
        latency: of the network in PyTorch.
    """

    content: bytes
    making: str | None
    logits: NDArray[np.float32]
    unrest: float
    latency: Latency


@dataclass(frozen=True, slots=True)
class Delivery:
    """Exports one network.

    Attributes:
        open: gives children.
        dataset: what it is checked on, and calibrated with.
        source: the network.
        weights: of its training.
        wanted: what to make of it.
        deadline: when all must be done, on :func:`time.monotonic`'s clock.
        stall_seconds: the longest silence of a child.
    """

    open: Open
    dataset: Dataset
    source: str
    weights: Weights
    wanted: Format
    deadline: float
    stall_seconds: float

    def run(self) -> Exported | Failure:
        """The file, or why there is none that can be trusted.

        A file for batches of any size comes first; if it cannot be had, or does not agree with PyTorch (a network
        may have the size of its example built in), one for single inputs.

        Raises:
            ConfigError: the weights are another network's.
        """
        failure = Failure("EXPORT_FAILED", "no file was made")
        for rows in FORMS[self.wanted.form].rows:
            try:
                found = self._exported(rows)
            except CandidateFailed as failed:
                failure = failed.failure
            else:
                if isinstance(found, Exported):
                    return found
                failure = found
        return failure

    def _exported(self, rows: int | None) -> Exported | Failure:
        made = self._made(rows)
        size, largest = len(made.content), float(np.abs(made.logits).max())
        if not math.isfinite(largest):
            return Failure("DIVERGED", "the network's outputs are not finite")
        limit = TOLERANCE * max(1.0, largest)
        pytorch = self._figures(made.logits, made.logits, made.latency, len(self.weights.content))
        checked = self._rebuilt(made, size) if self.wanted.form == "source" else self._checked(made.content, made, rows)
        if not checked.max_abs_difference <= limit:
            if made.unrest > limit:
                return Failure(
                    "NOT_EQUAL",
                    f"the network itself answers the same input in another way each time, by up to {made.unrest:.3g} "
                    f"where {limit:.3g} is allowed, so that no file can agree with it: is dropout always on?",
                )
            return Failure(
                "NOT_EQUAL",
                f"the exported network differs from PyTorch by up to {checked.max_abs_difference:.3g} "
                f"on {len(made.logits)} validation inputs; {limit:.3g} is allowed",
            )
        content, unquantised, int8_weights = made.content, None, None
        if self.wanted.int8:
            content, int8_weights = self._quantised(made.content)
            checked, unquantised = self._checked(content, made, rows), checked
        return Exported(
            wanted=self.wanted,
            content=content,
            rows=rows,
            making=made.making,
            inputs=len(made.logits),
            pytorch=pytorch,
            file=checked,
            unquantised=unquantised,
            int8_weights=int8_weights,
            limit=limit,
        )

    def _made(self, rows: int | None) -> _Made:
        with self.open("bench") as child:
            ask = self._built(child, seed=0)
            logits = ask.validation(self._count)
            again = ask.validation(min(self._count, _ASKED_AGAIN))
            unrest = float(np.abs(logits[: len(again)].astype(np.float64) - again).max())
            timed = _timed(ask, {})
            if self.wanted.form == "source":
                making = ask.call("making").message.get("making")
                return _Made(self.weights.content, demand_plain(making), logits, unrest, timed)
            reply = ask.call("write", form=self.wanted.form, rows=rows, tensor_limit=self._file_limit)
        return _Made(_file(reply), None, logits, unrest, timed)

    def _built(self, child: Child, *, seed: int) -> Questions:
        ask = self._ask(child)
        ask.call("build", source=self.source, seed=seed, macs=0)
        _, own = ask.weights(self._file_limit)
        self.weights.demand_fit(own)
        ask.call("load", tensors=self.weights.content)
        return ask

    def _rebuilt(self, made: _Made, size: int) -> Figures:
        """The source and its weights in a second process: what it did in the first may be a matter of luck."""
        with self.open("bench") as child:
            ask = self._built(child, seed=1)  # other random numbers than the first had
            return self._figures(ask.validation(self._count), made.logits, _timed(ask, {}), size)

    def _checked(self, content: bytes, made: _Made, rows: int | None) -> Figures:
        given = {"form": self.wanted.form, "tensors": _packed(content)}
        with self.open("stand") as child:
            ask = self._ask(child)
            logits = ask.outputs(self._count, "answer", rows=rows, **given)
            return self._figures(logits, made.logits, _timed(ask, given), len(content))

    def _quantised(self, content: bytes) -> tuple[bytes, bytes]:
        with self.open("stand") as child:
            ask = self._ask(child)
            result = _file(ask.call("quantise", tensors=_packed(content), tensor_limit=self._file_limit))
            tensors = ask.call("int8", tensors=_packed(result), tensor_limit=self._file_limit).tensors
        try:
            specs = manifest(tensors)
        except ProtocolError as error:
            raise broken(str(error)) from None
        weights = {name for name in specs if _WEIGHT.fullmatch(name) and specs[name].dtype == "I8"}
        scales = {f"{name}.scale" for name in weights}
        if set(specs) != weights | scales or any(specs[name].dtype != "F32" for name in scales):
            raise broken("int8 weights without scales")
        return result, tensors

    def _figures(self, logits: NDArray[np.float32], wanted: NDArray[np.float32], timed: Latency, size: int) -> Figures:
        difference = np.abs(logits.astype(np.float64) - wanted).max()
        same = float((logits.argmax(1) == wanted.argmax(1)).mean())
        regression = self.dataset.task.objective == "regression"
        return Figures(
            megabytes=size / 1e6,
            accuracy=score(logits, self.dataset.validation_labels).accuracy,
            latency=timed,
            max_abs_difference=float(difference),
            equal_share=None if regression else same,
        )

    @property
    def _count(self) -> int:
        """Of the inputs that both networks are asked."""
        return len(self.dataset.validation_labels)

    @property
    def _file_limit(self) -> int:
        return 2 * len(self.weights.content) + _HEADROOM

    def _ask(self, child: Child) -> Questions:
        return Questions(child, self.deadline, self.stall_seconds, self.dataset.task.classes)


def demand_plain(expression: object) -> str:
    """The expression, if all that it can do is to name things of ``source`` and call them with constants.

    It comes from the process of generated code, and goes into a file that the user runs.

    Raises:
        CandidateFailed: it could do more.
    """
    if isinstance(expression, str) and len(expression) <= _EXPRESSION_LENGTH:
        try:
            tree = ast.parse(expression, mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            raise broken("an expression that is none") from None
        plain = all(
            isinstance(node, _EXPRESSION_NODES)
            and (not isinstance(node, ast.Name) or node.id == "source")
            and (not isinstance(node, ast.Attribute) or isinstance(node.value, ast.Name))
            and (not isinstance(node, ast.Constant) or isinstance(node.value, int))
            for node in ast.walk(tree)
        )
        if plain and expression.isprintable():
            return expression
    raise broken("an expression that does more than to make a network")


def _timed(ask: Questions, given: Mapping[str, Any]) -> Latency:
    ask.call("warm", count=WARM_UPS, **given)

    def seconds(which: str, passes: int) -> float:
        started = time.perf_counter()
        ask.call("pass", which=which, count=passes)
        return time.perf_counter() - started

    return latency(seconds)


def _packed(content: bytes) -> bytes:
    """A file as the tensor that a stand takes."""
    return bytes(safetensors.numpy.save({"file": np.frombuffer(content, np.uint8)}))


def _file(reply: Frame) -> bytes:
    try:
        spec = expect(reply.tensors, "file", "U8", next(iter(manifest(reply.tensors).values())).shape)
    except (ProtocolError, StopIteration):
        raise broken("no file") from None
    return reply.tensors[spec.start : spec.end]
