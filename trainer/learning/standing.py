"""Where a training stands between two epochs: all that the next epoch depends on, as tensors and back.

On a CPU, a training that is taken up from these tensors goes on bit by bit as if it had never stopped. What a
network keeps in plain Python attributes is not among them.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import safetensors.torch
import torch
from torch import Tensor, nn

_MODEL, _BUFFER, _OPTIMIZER, _CHANCE = "model.", "buffer.", "optimizer.", "chance."
_EPOCHS, _ORDER = "epochs", "order"
_PYTHON_STATE = 3
"""The version of the state that :func:`random.getstate` gives."""


@dataclass(slots=True)
class Standing:
    """Where a training stands; the network itself is kept apart from it.

    Attributes:
        optimizer: with its momenta.
        generator: of order and augmentation.
        epochs: how many are done.
        chance: states of the global generators (torch, CUDA, Python, numpy), which a network may draw from.
    """

    optimizer: torch.optim.Optimizer
    generator: torch.Generator
    epochs: int = 0
    chance: Mapping[str, Tensor] = field(default_factory=dict)

    def pause(self, epochs: int) -> None:
        """Keeps the generators as they are after so many epochs."""
        self.epochs = epochs
        self.chance = _chance()

    def go_on(self) -> None:
        """Puts the global generators back to where they were when the training paused."""
        _set_chance(self.chance)

    def saved(self, model: nn.Module) -> bytes:
        """All of it with the network, as a safetensors file.

        Args:
            model: the network that is trained.
        """
        tensors = {
            _EPOCHS: torch.tensor(self.epochs),
            _ORDER: self.generator.get_state(),
            **{f"{_CHANCE}{name}": state for name, state in self.chance.items()},
            **{f"{_MODEL}{name}": value for name, value in model.state_dict().items()},
            **{f"{_BUFFER}{name}": value for name, value in _unsaved_buffers(model)},
        }
        for index, parameter in enumerate(self._parameters()):
            for name, value in self.optimizer.state.get(parameter, {}).items():
                if isinstance(value, Tensor):
                    tensors[f"{_OPTIMIZER}{index}.{name}"] = value
        # a file holds no tensor twice, and layers may share one
        return safetensors.torch.save(
            {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}
        )

    def _parameters(self) -> list[Tensor]:
        return [parameter for group in self.optimizer.param_groups for parameter in group["params"]]


def restored(content: bytes, model: nn.Module, optimizer: torch.optim.Optimizer) -> Standing:
    """The standing that was saved; the network gets its weights back.

    Args:
        content: of :meth:`Standing.saved`.
        model: the same network, on the device where it is trained.
        optimizer: a new one, of this network.
    """
    tensors = safetensors.torch.load(content)
    device = next(iter(model.parameters())).device
    standing = Standing(optimizer, torch.Generator(device).set_state(tensors[_ORDER]), int(tensors[_EPOCHS]))
    standing.chance = _beginning(tensors, _CHANCE)
    model.load_state_dict(_beginning(tensors, _MODEL))
    with torch.no_grad():
        for name, buffer in _unsaved_buffers(model):
            buffer.copy_(tensors[f"{_BUFFER}{name}"])
    parameters = standing._parameters()
    for key, value in _beginning(tensors, _OPTIMIZER).items():
        index, _, name = key.partition(".")
        parameter = parameters[int(index)]
        if value.shape == parameter.shape and value.dim():
            # in the parameter's memory order: another one would be computed in another order
            value = torch.empty_like(parameter).copy_(value)  # noqa: PLW2901
        optimizer.state[parameter][name] = value.to(device)
    return standing


def _beginning(tensors: Mapping[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _unsaved_buffers(model: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Buffers that a network does not save with its weights."""
    saved = model.state_dict().keys()
    return ((name, buffer) for name, buffer in model.named_buffers() if name not in saved)


def _chance() -> dict[str, Tensor]:
    _, words, gauss = random.getstate()
    _, keys, position, has_gauss, cached = np.random.get_state()
    state = {
        "torch": torch.get_rng_state(),
        "python": torch.tensor(words),
        "python_gauss": torch.tensor([] if gauss is None else [gauss], dtype=torch.float64),
        "numpy": torch.tensor([*np.asarray(keys).tolist(), position, has_gauss]),
        "numpy_gauss": torch.tensor([cached], dtype=torch.float64),
    }
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def _set_chance(state: Mapping[str, Tensor]) -> None:
    torch.set_rng_state(state["torch"])
    gauss = state["python_gauss"].tolist()
    random.setstate((_PYTHON_STATE, tuple(state["python"].tolist()), gauss[0] if gauss else None))
    *keys, position, has_gauss = state["numpy"].tolist()
    cached = state["numpy_gauss"].item()
    np.random.set_state(("MT19937", np.array(keys, np.uint32), position, has_gauss, cached))
    if "cuda" in state:
        torch.cuda.set_rng_state(state["cuda"])
