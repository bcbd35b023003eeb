"""The middle of the validation ladder: does a candidate parse, build, run, fit its budgets, and learn?

Cheap before dear: shapes, work and memory are found on the meta device, where nothing is computed; then one
small batch is really computed.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
import torch._dynamo  # meta kernels import parts of it in their first call, which would cost every child a second
from torch import Tensor, nn
from torch.nn import functional

from lemonade_es.task import Task
from lemonade_es.trainer.candidate import Refusal, build, example, explain, parse
from lemonade_es.trainer.census import counted, digest
from lemonade_es.trainer.layout import settled
from lemonade_es.trainer.measurement import Budget, CheckReport
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.trainer.trace import trace

Stage = Literal["parse", "build", "forward", "budget", "batch", "done"]

_UNKNOWN_ERROR: Mapping[Stage, str] = {
    "parse": "SYNTAX_ERROR",
    "build": "BUILD_FAILED",
    "forward": "FORWARD_FAILED",
    "budget": "FORWARD_FAILED",
    "batch": "BATCH_FAILED",
    "done": "FORWARD_FAILED",
}
# What the meta device says about these is right; anything else may be a limit of the meta device.
_CERTAIN_ON_META = frozenset(
    {
        "IMPORT_FAILED",
        "NEEDS_ARGUMENTS",
        "NO_NETWORK",
        "NO_PARAMETERS",
        "OVER_BUDGET_PARAMS",
        "SHAPE_MISMATCH",
        "UNDEFINED_NAME",
        "WRONG_OUTPUT",
    }
)
_ROWS = (2, 3)  # two sizes show a batch size that is written into the network
_REAL_ROWS = (4, 3)  # two steps show tensors that are kept from one to the next


def check(source: str, task: Task, budget: Budget, recipe: Recipe, seed: int) -> CheckReport:
    """Take one candidate up the ladder; a bad one is a report, never an exception.

    Args:
        source: the candidate.
        task: what the network is for.
        budget: bounds that it must keep.
        recipe: its batch size scales the activation memory.
        seed: for weights and the batch.

    Returns:
        The verdict. What was found before a refusal is in it too; ``seconds`` is for the caller to fill.
    """
    ladder = _Ladder(source, task, budget, recipe, seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ladder.climb()
    except BaseException as error:  # noqa: BLE001  (candidate code may raise anything)
        refusal = explain(error, source, _UNKNOWN_ERROR[ladder.stage])
        return CheckReport(False, ladder.stage, refusal.code, refusal.message, refusal.line, **ladder.found)
    return CheckReport(True, "done", message=" ".join(ladder.notes) or None, **ladder.found)


@dataclass(slots=True)
class _Ladder:
    """One candidate on its way up."""

    source: str
    task: Task
    budget: Budget
    recipe: Recipe
    seed: int
    stage: Stage = "parse"
    found: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def climb(self) -> None:
        """Take every step, or raise at the first that fails."""
        parse(self.source)
        model = self._examined()
        self._keep_budget("macs", "OVER_BUDGET_MACS", "multiply-accumulates for one input")
        batch = f"a training batch of {self.recipe.batch_size}"
        self._keep_budget("activation_mb", "OVER_BUDGET_ACTIVATIONS", f"MB of activations for {batch}")
        self.stage = "batch"
        self._learn(model)

    def _examined(self) -> nn.Module | None:
        """Examine on the meta device; where that cannot run it, on the CPU, and keep that network."""
        try:
            self._examine("meta")
        except BaseException as error:
            if explain(error, self.source).code in _CERTAIN_ON_META:
                raise
            return self._examine("cpu")
        return None

    def _examine(self, device: str) -> nn.Module:
        with torch.device(device):
            model = self._built()
            self.stage = "forward"
            trainable = sum(tensor.numel() for tensor in model.parameters() if tensor.requires_grad)
            if not trainable:
                raise Refusal("NO_PARAMETERS", "The network has no trainable parameters; give it layers that learn.")
            self.found["parameters"] = trainable
            self._keep_budget("parameters", "OVER_BUDGET_PARAMS", "trainable parameters")
            seen, output = trace(model, example(self.task, _ROWS[0]))
            self._demand_logits(output, _ROWS[0])
            self._demand_logits(model(example(self.task, _ROWS[1])), _ROWS[1])
        self.found.update(
            macs=seen.macs,
            activation_mb=round(seen.saved_bytes / seen.rows * self.recipe.batch_size / 1e6, 3),
            census=counted(seen, self.source),
            architecture=digest(seen, model, self.source),
        )
        return model

    def _built(self) -> nn.Module:
        self.stage = "build"
        torch.manual_seed(self.seed)
        return build(self.source, self.task)

    def _demand_logits(self, output: object, rows: int, when: str = "") -> None:
        wanted = (rows, self.task.classes)
        if not isinstance(output, Tensor):
            got = f"a {type(output).__name__}"
        elif tuple(output.shape) != wanted:
            got = f"shape {tuple(output.shape)}"
        elif not output.is_floating_point():
            got = f"{output.dtype}".removeprefix("torch.")
        else:
            return
        raise Refusal(
            "WRONG_OUTPUT",
            f"forward returned {got} for an input of shape {(rows, *self.task.input_shape)}{when}; "
            f"return float logits of shape {wanted} and nothing else.",
        )

    def _keep_budget(self, name: str, code: str, what: str) -> None:
        value, bound = self.found[name], getattr(self.budget, name)
        if bound is not None and value > bound:
            self.stage = "budget"
            raise Refusal(code, f"The network has {value:,} {what}; at most {bound:,} are allowed. Make it smaller.")

    def _learn(self, model: nn.Module | None) -> None:
        """Two small real batches in train mode, the second as a new step, and one input in eval mode."""
        if model is None:
            model = self._built()
            self.stage = "batch"
        torch.manual_seed(self.seed)
        for rows in _REAL_ROWS:
            self._step(model.train(), rows)
        self._note_unreached(model)
        with torch.no_grad():
            output = model.eval()(self._batch(model, 1))
        self._demand_logits(output, 1, " in eval mode")

    def _batch(self, model: nn.Module, rows: int) -> Tensor:
        inputs = example(self.task, rows)
        return inputs.contiguous(memory_format=settled(model)) if inputs.dim() == 4 else inputs

    def _step(self, model: nn.Module, rows: int) -> None:
        model.zero_grad(set_to_none=True)
        inputs = self._batch(model, rows)
        untouched = inputs._version
        loss = functional.cross_entropy(model(inputs), torch.arange(rows) % self.task.classes)
        if inputs._version != untouched and not self.notes:
            self.notes.append("forward changes its input in place.")
        if not loss.isfinite():
            raise Refusal(
                "NON_FINITE_LOSS",
                f"The loss of the untrained network on a random batch is {loss.item()}; "
                "look for log, sqrt or division without a lower bound, and for too large initial weights.",
            )
        if not loss.requires_grad:
            raise Refusal(
                "NO_GRADIENT",
                "The output does not depend on any parameter: detach, .data or no_grad cut it off.",
            )
        torch.autograd.backward(loss)

    def _note_unreached(self, model: nn.Module) -> None:
        gradients = {name: tensor.grad for name, tensor in model.named_parameters() if tensor.requires_grad}
        broken = [name for name, grad in gradients.items() if grad is not None and not grad.isfinite().all()]
        if broken:
            raise Refusal(
                "NON_FINITE_GRADIENT",
                f"The loss is finite, but not the gradient of {_listed(broken)}; "
                "look for sqrt or norm at 0 and for division without a lower bound.",
            )
        unreached = [name for name, grad in gradients.items() if grad is None]
        if not any(grad is not None and grad.any() for grad in gradients.values()):
            raise Refusal("NO_GRADIENT", "No parameter gets a gradient: the loss does not reach any of them.")
        if unreached:
            self.notes.append(f"No gradient reaches {_listed(unreached)}: not used in forward.")


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more"
