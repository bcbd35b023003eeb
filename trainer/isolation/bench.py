"""The bench: what a locked child does on its parent's command, and all that it tells.

The parent leads, one command after the other, each with its own deadline; so the parent's clock, energy
meter and labels stay with the parent. Every reply names the command that it answers. Whatever the
candidate's code raises becomes a reply.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import safetensors.torch
import torch
from pydantic import TypeAdapter
from torch import Tensor, nn

from lemonade_es.task import Task
from lemonade_es.trainer.checking import check
from lemonade_es.trainer.checking.kernels import without_onednn
from lemonade_es.trainer.export import graph
from lemonade_es.trainer.isolation.protocol import Channel, ChannelClosedError
from lemonade_es.trainer.learning import training
from lemonade_es.trainer.learning.precision import pace
from lemonade_es.trainer.learning.recording import RecordingFailed
from lemonade_es.trainer.learning.standing import Standing
from lemonade_es.trainer.measurement import UNSAVED, Budget, Epoch
from lemonade_es.trainer.measuring.stimulus import Stimulus
from lemonade_es.trainer.network import candidate
from lemonade_es.trainer.network.refusal import MESSAGE_LIMIT, Refusal, explain
from lemonade_es.trainer.network.trace import trace
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.trainer.threads import threads_for
from lemonade_es.trainer.watching.activity import activity
from lemonade_es.trainer.watching.watch import Watch, saved
from lemonade_es.trainer.watching.zero_cost import ROWS, scored

Reply = tuple[Mapping[str, object], bytes]

_BUDGET = TypeAdapter(Budget)
# the parent is trusted, and a source that is too large shall be refused as such
_COMMAND_LIMIT = 1 << 30
_TENSOR_LIMIT = 1 << 40
_REFERENCE_SEED = 7
_MISFIT = "Error(s) in loading state_dict"
"""How PyTorch begins."""

_PREDICTED_AT_ONCE = 512


@dataclass(frozen=True, slots=True)
class Supplies:
    """What every candidate of a workshop is given.

    Attributes:
        task: what networks are for.
        recipe: how they are trained.
        data: the training set.
        validation: inputs of the validation set; their labels are not here.
        device: ``cpu`` or ``cuda``.
        threads: for training and evaluating; a small network gets one.
    """

    task: Task
    recipe: Recipe
    data: training.TrainingData
    validation: Tensor
    device: str
    threads: int


class Bench:
    """One candidate at a time, from source to weights."""

    def __init__(self, supplies: Supplies, channel: Channel) -> None:
        self._supplies = supplies
        self._channel = channel
        self._source = ""
        self._macs = 0
        self._onednn = True
        self._answering = -1
        self._model: nn.Module = nn.Identity()
        self._passes: dict[str, Callable[[], object]] = {}
        self._ungraded: Callable[[], AbstractContextManager[object]] = torch.inference_mode
        self._given = b""
        self._watch = Watch(self._model)
        self._standing: Standing | None = None
        self._commands: Mapping[str, Callable[[Mapping[str, Any]], Reply]] = {
            "check": self._check,
            "score": self._score,
            "rehearse": self._rehearse,
            "build": self._build,
            "load": self._load,
            "train": self._train,
            "gradients": self._tell_gradients,
            "activity": self._activity,
            "resume": self._resume,
            "standing": self._save_standing,
            "pace": self._pace,
            "predict": self._predict,
            "warm": self._warm,
            "pass": self._pass,
            "weights": self._weights,
            "export": self._export,
            "write": self._write,
            "making": self._making,
        }

    def serve(self) -> None:
        """Obeys until the parent closes the channel."""
        torch.set_num_threads(self._supplies.threads)
        while True:
            try:
                frame = self._channel.receive(message_limit=_COMMAND_LIMIT, tensor_limit=_TENSOR_LIMIT)
            except ChannelClosedError:
                return
            command, self._given = frame.message, frame.tensors
            self._answering = int(command["number"])
            try:
                said, tensors = self._commands[command["do"]](command)
                reply: Mapping[str, object] = {"done": said}
            except BaseException as error:  # noqa: BLE001  (candidate code may raise anything, SystemExit too)
                reply, tensors = {"failed": self._reason(error)}, b""
            self._say(reply, tensors)

    def _threads(self, rows: int) -> int:
        """How many threads compute a batch of so many inputs."""
        return threads_for(self._macs, rows, self._supplies.threads)

    def _say(self, reply: Mapping[str, object], tensors: bytes = b"") -> None:
        self._channel.send({"answers": self._answering, **reply}, tensors)

    def _reason(self, error: BaseException) -> Mapping[str, object]:
        if isinstance(error, training.Diverged):
            return {"code": "DIVERGED", "message": error.message[:MESSAGE_LIMIT], "line": None}
        if isinstance(error, RecordingFailed):
            return {"code": "UNRECORDED", "message": error.message[:MESSAGE_LIMIT], "line": None}
        refusal = explain(error, self._source)
        return {"code": refusal.code, "message": refusal.message[:MESSAGE_LIMIT], "line": refusal.line}

    def _check(self, command: Mapping[str, Any]) -> Reply:
        supplies = self._supplies
        budget = _BUDGET.validate_python(command["budget"])
        report = check.check(
            command["source"], supplies.task, budget, supplies.recipe, command["seed"], self._tell_stage
        )
        return {"report": _finite(asdict(report))}, b""

    def _tell_stage(self, stage: str) -> None:
        self._say({"stage": stage})

    def _score(self, command: Mapping[str, Any]) -> Reply:
        """Scores of the untrained network, on one that is built for that alone: training must not notice."""
        supplies, data = self._supplies, self._supplies.data
        self._build(command)
        model = self._model.to(supplies.device)
        rows = torch.randperm(len(data.inputs), generator=torch.Generator().manual_seed(command["seed"]))[:ROWS]
        batch = training.batch(model, data, rows, supplies.device)
        number = torch.float32 if data.objective == "regression" else torch.int64
        labels = data.labels[rows].to(supplies.device, number)
        with without_onednn(wanted=not self._onednn):
            return asdict(scored(model, batch, labels, supplies.task)), b""

    def _build(self, command: Mapping[str, Any]) -> Reply:
        self._source = command["source"]
        self._macs = command["macs"]
        self._onednn = command.get("onednn", True)
        seed = command["seed"]
        random.seed(seed)
        np.random.seed(seed % 2**32)
        torch.manual_seed(seed)
        self._model = candidate.build(self._source, self._supplies.task)
        return {"parameters": sum(p.numel() for p in self._model.parameters() if p.requires_grad)}, b""

    def _rehearse(self, command: Mapping[str, Any]) -> Reply:
        """Whether training steps can be recorded, tried on a network that is built for that alone."""
        supplies = self._supplies
        self._build(command)
        recipe = replace(supplies.recipe, precision=command["precision"])
        return {"obstacle": training.rehearse(self._model, supplies.data, recipe, device=supplies.device)}, b""

    def _load(self, command: Mapping[str, Any]) -> Reply:
        """Takes weights over, if some came along, in the place of a training."""
        torch.set_num_threads(self._threads(self._supplies.recipe.batch_size))
        if self._given:
            try:
                self._model.load_state_dict(safetensors.torch.load(self._given))
            except RuntimeError as error:
                if not str(error).startswith(_MISFIT):
                    raise
                why = f"The weights do not fit the network that its source makes: {str(error).splitlines()[-1].strip()}"
                raise Refusal(UNSAVED, why) from None
            self._given = b""
        training.prepare(self._model, self._supplies.device)
        return {}, b""

    def _train(self, command: Mapping[str, Any]) -> Reply:
        supplies = self._supplies
        torch.set_num_threads(self._threads(supplies.recipe.batch_size))
        self._watch = Watch(self._model, frozenset(command.get("checkpoints", ())))
        with without_onednn(wanted=not self._onednn):
            self._standing = training.train(
                self._model,
                supplies.data,
                replace(supplies.recipe, precision=command.get("precision", "fp32")),
                seed=command["seed"],
                device=supplies.device,
                on_epoch=self._epoch_ended,
                on_gradients=self._watch.gradients.look,
                standing=self._standing,
                until=command.get("until"),
                record=command.get("record", False),
            )
        training.prepare(self._model, supplies.device)
        return {}, b""

    def _pace(self, _: Mapping[str, Any]) -> Reply:
        return {"bf16_pays": pace(self._supplies.device).bf16_pays}, b""

    def _resume(self, command: Mapping[str, Any]) -> Reply:
        """Takes up a training that was saved."""
        supplies = self._supplies
        self._standing = training.take_up(self._model, self._given, supplies.recipe, supplies.device)
        training.prepare(self._model, supplies.device)  # there may be no epoch left to train
        self._given = b""
        return {}, b""

    def _save_standing(self, command: Mapping[str, Any]) -> Reply:
        return {}, b"" if self._standing is None else self._standing.saved(self._model)

    def _epoch_ended(self, index: int, epoch: Epoch) -> None:
        self._say({"epoch": {"index": index, "loss": epoch.loss}}, self._watch.epoch_ended(index))

    def _tell_gradients(self, _: Mapping[str, Any]) -> Reply:
        return {"low": self._watch.gradients.low, "high": self._watch.gradients.high}, b""

    def _activity(self, command: Mapping[str, Any]) -> Reply:
        """What some validation inputs stir in the trained network."""
        supplies, data = self._supplies, self._supplies.data
        inputs = supplies.validation[command["rows"]].to(supplies.device)
        normalise = training.Normalisation(self._model, data.mean, data.std, torch.device(supplies.device))
        return asdict(activity(self._model, normalise(inputs))), b""

    def _predict(self, command: Mapping[str, Any]) -> Reply:
        data = self._supplies.data
        inputs = data.inputs if command["split"] == "train" else self._supplies.validation
        inputs = inputs[: command.get("first")]
        if (rows := command.get("rows")) is not None:
            inputs = inputs[rows]
        logits = training.predict(
            self._model,
            inputs,
            data.mean,
            data.std,
            device=self._supplies.device,
            batch_size=_PREDICTED_AT_ONCE,
        )
        return {}, safetensors.torch.save({"logits": logits.contiguous()})

    def _warm(self, command: Mapping[str, Any]) -> Reply:
        """Gets candidate and reference network ready to be timed, on one thread; or a batch, on all."""
        if (rows := command.get("rows")) is not None:
            self._passes = {"batch": self._crowd(rows)}
            return self._pass({"which": "batch", "count": command["count"]})
        torch.set_num_threads(1)
        device = self._supplies.device
        single = Stimulus(self._supplies.task, self._model, 1, device)
        self._passes = {"candidate": lambda: self._model(single.batch()), "reference": reference_pass(device)}
        self._ungraded = _ungraded(self._passes["candidate"])
        for which in self._passes:
            self._pass({"which": which, "count": command["count"]})
        return {}, b""

    def _crowd(self, rows: int) -> Callable[[], object]:
        """A batch to time, on all threads that a training would have."""
        supplies = self._supplies
        torch.set_num_threads(self._threads(rows))
        crowd = Stimulus(supplies.task, self._model, rows, supplies.device)
        return lambda: self._model(crowd.batch())

    def _pass(self, command: Mapping[str, Any]) -> Reply:
        once = self._passes[command["which"]]
        with self._ungraded():
            for _ in range(command["count"]):
                once()
            if self._supplies.device == "cuda":
                torch.cuda.synchronize()
        return {}, b""

    def _weights(self, command: Mapping[str, Any]) -> Reply:
        return {}, saved(self._model)

    def _export(self, command: Mapping[str, Any]) -> Reply:
        return {}, as_tensors(graph.to_onnx(self._model, self._supplies.task), "onnx")

    def _write(self, command: Mapping[str, Any]) -> Reply:
        """The network for raw inputs as one file."""
        task, data = self._supplies.task, self._supplies.data
        content = graph.written(self._model, task, data.mean, data.std, command["form"], command["rows"])
        return {}, as_tensors(content)

    def _making(self, _: Mapping[str, Any]) -> Reply:
        """How the network is made from its source; the source is run once more."""
        return {"making": candidate.making(self._source, self._supplies.task)}, b""


def _ungraded(once: Callable[[], object]) -> Callable[[], AbstractContextManager[object]]:
    """The fastest mode to time a network in: where it works out gradients itself, inference mode has none for it."""
    try:
        with torch.inference_mode():
            once()
    except Exception:  # noqa: BLE001  (if the mode is not to blame, the next pass raises the same)
        return torch.no_grad
    return torch.inference_mode


def warm_up() -> None:
    """Does once, with a network of our own, what every check does first: children inherit what that sets up.

    Forward only: a backward pass would start autograd's threads, which do not survive a fork.
    """
    for device in ("meta", "cpu"):
        with torch.device(device):
            network = nn.Sequential(
                nn.Conv2d(3, 8, 3, padding=1),
                nn.BatchNorm2d(8),
                nn.ReLU(),
                nn.MaxPool2d(2),
                nn.Flatten(),
                nn.Dropout(0.1),
                nn.Linear(128, 2),
            )
            trace(network, torch.ones(2, 3, 8, 8))


def as_tensors(content: bytes, name: str = "file") -> bytes:
    """A file as the one tensor of a reply.

    Args:
        content: of the file.
        name: of the tensor.
    """
    return safetensors.torch.save({name: torch.from_numpy(np.frombuffer(content, np.uint8).copy())})


def probe_cuda() -> Mapping[str, object]:
    """Whether this process can compute on a GPU, and if not, why."""
    try:
        if not torch.cuda.is_available():
            return {"cuda": False, "why": "torch sees no CUDA device"}
        torch.ones(2, device="cuda").sum().item()
    except Exception as error:  # noqa: BLE001  (driver and library errors have many types)
        return {"cuda": False, "why": f"{type(error).__name__}: {error}"[:MESSAGE_LIMIT]}
    return {"cuda": True, "why": torch.cuda.get_device_name()}


def reference_pass(device: str) -> Callable[[], object]:
    """One pass of the reference network.

    Args:
        device: where it runs.
    """
    reference = _reference().to(device).eval()
    picture = torch.randn(1, 3, 32, 32, generator=torch.Generator().manual_seed(_REFERENCE_SEED)).to(device)
    return lambda: reference(picture)


def _reference() -> nn.Module:
    """A small network that never changes, to time each candidate against."""
    generator = torch.random.get_rng_state()
    torch.manual_seed(_REFERENCE_SEED)
    network = nn.Sequential(
        nn.Conv2d(3, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(64, 10),
    )
    torch.random.set_rng_state(generator)
    return network


def _finite(value: Any) -> Any:
    """JSON has no infinity: what is not finite becomes null."""
    if isinstance(value, Mapping):
        return {key: _finite(entry) for key, entry in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
