"""The stand: a locked child that runs exported files. It gets no source, so nothing of a candidate runs in it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import safetensors.numpy
import torch

from lemonade_es.trainer.export import quantisation, runtime
from lemonade_es.trainer.isolation.bench import Bench, Reply, Supplies, as_tensors, reference_pass
from lemonade_es.trainer.isolation.protocol import Channel, manifest


class Stand(Bench):
    """A bench with commands of its own; it tells replies and failures in the same way.

    Each command takes the file as the tensor ``file`` and says with ``form`` what it is.
    """

    def __init__(self, supplies: Supplies, channel: Channel) -> None:
        super().__init__(supplies, channel)
        self._commands = {
            "answer": self._answer,
            "warm": self._warm_file,
            "pass": self._pass,
            "quantise": self._quantise,
            "int8": self._int8,
        }

    def _answer(self, command: Mapping[str, Any]) -> Reply:
        """The logits of the validation set."""
        torch.set_num_threads(1)
        run = runtime.opened(command["form"], self._file())
        inputs = self._supplies.validation.numpy()
        logits = runtime.answers(run, inputs, self._supplies.task, command["rows"])
        return {}, safetensors.numpy.save({"logits": logits})

    def _warm_file(self, command: Mapping[str, Any]) -> Reply:
        """Gets the file, and the reference network, ready to be timed on one thread."""
        torch.set_num_threads(1)
        run = runtime.opened(command["form"], self._file())
        row = runtime.prepared(self._supplies.validation[:1].numpy(), self._supplies.task)
        self._passes = {"candidate": lambda: run(row), "reference": reference_pass("cpu")}
        for which in self._passes:
            self._pass({"which": which, "count": command["count"]})
        return {}, b""

    def _quantise(self, _: Mapping[str, Any]) -> Reply:
        """The file in int8, calibrated on training inputs, which lie in random order."""
        inputs = self._supplies.data.inputs[: quantisation.CALIBRATION].numpy()
        # one by one: the file may take no other batch
        batches = (runtime.prepared(inputs[at : at + 1], self._supplies.task) for at in range(len(inputs)))
        return {}, as_tensors(quantisation.quantised(self._file(), batches))

    def _int8(self, _: Mapping[str, Any]) -> Reply:
        return {}, safetensors.numpy.save(quantisation.int8_weights(self._file()))

    def _file(self) -> bytes:
        spec = manifest(self._given)["file"]
        content, self._given = self._given[spec.start : spec.end], b""
        return content
