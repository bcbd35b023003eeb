"""Test accuracy of networks that the built-in executor's blueprints gave; their source is our own and trusted."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from safetensors.torch import load as load_weights

from benchmarks.quality.tasks import QualityTask
from lemonade_es.trainer.data.dataset import Dataset

_BATCH = 512


class TestSplit:
    """The test images of a task: opened after a search, and for its leaders alone."""

    __test__ = False

    def __init__(self, task: QualityTask, seed: int, dataset: Dataset) -> None:
        self._dataset = dataset
        self._images, self._labels = task.held_out(seed, dataset)

    def accuracy(self, source: str, weights: bytes, V_Acc: float) -> float:  # noqa: N803
        """Of a trained network, which must give the validation accuracy that the trainer measured here too."""
        model = _network(source)
        model.load_state_dict(load_weights(weights))
        model.eval()
        again = self._share(model, self._dataset.validation, self._dataset.validation_labels)
        if abs(again - V_Acc) > 2.5 / len(self._dataset.validation_labels):
            raise SystemExit(f"the network has V_Acc {again:.4f} here and had {V_Acc:.4f} in the trainer")
        return self._share(model, self._images, self._labels)

    def _share(self, model: torch.nn.Module, images: Any, labels: Any) -> float:
        mean = torch.tensor(self._dataset.mean).view(1, -1, 1, 1)
        std = torch.tensor(self._dataset.std).view(1, -1, 1, 1)
        right = 0
        with torch.inference_mode():
            for start in range(0, len(labels), _BATCH):
                batch = torch.from_numpy(np.array(images[start : start + _BATCH]))
                guessed = model((batch / 255 - mean) / std).argmax(1).numpy()
                right += int((guessed == labels[start : start + _BATCH]).sum())
        return right / len(labels)


def _network(source: str) -> torch.nn.Module:
    names: dict[str, Any] = {}
    exec(source, names)
    model: torch.nn.Module = names["Network"]()
    return model
