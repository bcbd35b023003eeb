"""The middle of the validation ladder: does a candidate parse, build, run, fit its budgets, and learn?

Cheap before dear: shapes, work and memory are found on the meta device, where nothing is computed; then one
small batch is really computed.
"""

from __future__ import annotations

import random
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import torch
import torch._dynamo  # meta kernels import parts of it in their first call, which would cost every child a second
from torch import Tensor, nn

from lemonade_es.printable import shortened
from lemonade_es.task import Task
from lemonade_es.trainer.checking import kernels
from lemonade_es.trainer.checking.output import called, listed, wrong_output
from lemonade_es.trainer.checking.saving import unsavable
from lemonade_es.trainer.learning.loss import example_labels, loss
from lemonade_es.trainer.measurement import UNSAVED, Budget, CheckReport
from lemonade_es.trainer.network import blame, choice, mode
from lemonade_es.trainer.network.candidate import complete, construct, example, making, parse
from lemonade_es.trainer.network.census import counted, digest
from lemonade_es.trainer.network.layout import settled
from lemonade_es.trainer.network.refusal import MESSAGE_LIMIT, Refusal, explain
from lemonade_es.trainer.network.trace import trace
from lemonade_es.trainer.recipe import Recipe

Stage = Literal["parse", "build", "forward", "budget", "batch", "done"]
OnStage = Callable[[Stage], None]

_UNKNOWN_ERROR: Mapping[Stage, str] = {
    "parse": "SYNTAX_ERROR",
    "build": "BUILD_FAILED",
    "forward": "FORWARD_FAILED",
    "budget": "FORWARD_FAILED",
    "batch": "BATCH_FAILED",
    "done": "FORWARD_FAILED",
}
_LARGE = 20_000_000
"""Parameters from which on a refusal by the meta device stands if it is of a kind that is right there."""
_CERTAIN_ON_META = frozenset(
    {
        "BAD_ARGUMENT",
        "FORBIDDEN_IMPORT",
        "IMPORT_FAILED",
        "NEEDS_ARGUMENTS",
        "NO_FORWARD",
        "NO_NETWORK",
        "NO_PARAMETERS",
        "NO_SUPER_INIT",
        "SHAPE_MISMATCH",
        "UNDEFINED_ATTRIBUTE",
        "UNDEFINED_NAME",
        "WRONG_OUTPUT",
    }
)
_UNBOUNDED = frozenset({"log", "log2", "log10", "sqrt", "rsqrt", "norm", "pow", "exp", "reciprocal", "acos", "asin"})
_SPARSE = frozenset({"Embedding", "EmbeddingBag", "embedding", "embedding_bag"})
_KEEPING = frozenset({"register_buffer", "get_extra_state", "state_dict"})
_CUTS = frozenset({"detach", "data", "item", "no_grad", "argmax", "sign", "round", "numpy", "tolist", "inference_mode"})
_IN_PLACE_NOTE = "forward changes its input in place."
_RESTLESS_NOTE = (
    "In eval mode the same input gives another output each time: is dropout always on? Write "
    "F.dropout(x, p, self.training)."
)
_KERNELS_NOTE = (
    "oneDNN, which computes convolutions on this machine, gives wrong gradients here: it is trained without, "
    "more slowly; another kernel width avoids that."
)
_ROWS = 2
# two sizes more show a batch size that is written into the network; two steps show tensors kept from one to the next
_REAL_ROWS = (4, 3)


def check(
    source: str, task: Task, budget: Budget, recipe: Recipe, seed: int, on_stage: OnStage = lambda _: None
) -> CheckReport:
    """Take one candidate up the ladder; a bad one is a report, never an exception.

    Args:
        source: the candidate.
        task: what the network is for.
        budget: bounds that it must keep.
        recipe: its batch size scales the activation memory.
        seed: for weights and the batch.
        on_stage: told of each step as it begins, so that it is known in which one a crash happens.

    Returns:
        The verdict. What was found before a refusal is in it too; ``seconds`` is for the caller to fill.
    """
    ladder = _Ladder(source, task, budget, recipe, seed, on_stage)
    threads = torch.get_num_threads()
    try:
        torch.set_num_threads(1)  # a second one gains nothing on a few rows
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ladder.climb()
    except BaseException as error:  # noqa: BLE001  (candidate code may raise anything)
        refusal = explain(error, source, _UNKNOWN_ERROR[ladder.stage])
        said = shortened(refusal.message, MESSAGE_LIMIT)
        return CheckReport(False, ladder.stage, refusal.code, said, refusal.line, **ladder.found)
    finally:
        torch.set_num_threads(threads)
    notes = shortened(" ".join(ladder.notes), MESSAGE_LIMIT)
    return CheckReport(True, "done", message=notes or None, **ladder.found)


def _alike(one: Tensor, other: Tensor) -> bool:
    """Whether two answers differ by rounding alone."""
    return torch.allclose(one, other, rtol=1e-3, atol=1e-5, equal_nan=True)


@dataclass(slots=True)
class _Ladder:
    """One candidate on its way up."""

    source: str
    task: Task
    budget: Budget
    recipe: Recipe
    seed: int
    on_stage: OnStage
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
        self._begin("batch")
        self._learn(model)

    def _begin(self, stage: Stage) -> None:
        self.stage = stage
        self.on_stage(stage)

    def _examined(self) -> nn.Module | None:
        """Examine on the meta device; where that cannot run it, on the CPU, and keep that network.

        A network that is refused on meta is tried on the CPU too: that is right about what meta cannot do, and
        says it in the words that everyone knows.
        """
        try:
            self._examine("meta")
        except BaseException as error:
            refusal, stage = self._explained(error), self.stage
            certain = refusal.code in _CERTAIN_ON_META
            if stage == "budget" or (certain and self.found.get("parameters", 0) > _LARGE):
                raise
        else:
            return None
        try:
            return self._examine("cpu")
        except BaseException as error:
            if certain and self._explained(error).code == "OUT_OF_MEMORY":
                self.stage = stage
                raise refusal from None
            raise

    def _explained(self, error: BaseException) -> Refusal:
        return explain(error, self.source, _UNKNOWN_ERROR[self.stage])

    def _examine(self, device: str) -> nn.Module:
        self.notes.clear()
        with torch.device(device):
            model = self._made()
            self._count(model)
            at_first = dict(model.named_parameters())
            seen, output = trace(model, self._batch(model, _ROWS))
            self._demand_logits(model, output, _ROWS)
            late = [name for name, tensor in model.named_parameters() if tensor is not at_first.get(name)]
            if not self._count(model):
                raise Refusal(
                    "NO_PARAMETERS",
                    "The network has no trainable parameters; give it layers that learn, as attributes or in "
                    "nn.ModuleList: those in a plain list or dict do not count.",
                    blame.returned(model, self.source),
                )
            if late:  # what is made in the first pass is seen as a part of the network in the second
                seen, output = trace(model, self._batch(model, _ROWS))
                self._demand_logits(model, output, _ROWS)
            in_use, output = trace(model, self._batch(model, _ROWS, padded=False), training=False)
            self._demand_logits(model, output, _ROWS)
            model.train()
        self.found.update(
            macs=in_use.macs,  # which in training may be others, and of padding fewer
            activation_mb=round(seen.saved_bytes / seen.rows * self.recipe.batch_size / 1e6, 3),
            census=counted(seen, self.source),
            architecture=digest(seen, model, self.source),
        )
        if others := choice.rivals(parse(self.source), name := type(model).__name__):
            self.notes.append(f"{name} is taken for the network, not {listed(others)}: leave one, or call it Net.")
        if held := choice.unused_instances(parse(self.source), name):
            self.notes.append(f"{name}() is taken for the network, not {listed(held)}: leave one, or call it model.")
        if makers := choice.rival_makers(parse(self.source), name):
            with torch.device(device):
                maker = making(self.source, self.task).removeprefix("source.").partition("(")[0]
            if maker in makers:
                others = [other for other in makers if other != maker]
                self.notes.append(
                    f"What {maker}() makes is taken for the network, not {listed(others)}: leave one, or call it "
                    "build_model."
                )
        if late:
            self.notes.append(f"{listed(late)} made in the first forward pass: make all layers in __init__.")
        if seen.strangers:
            self.notes.append(
                f"Not part of the network, and so not trained: {listed(list(dict.fromkeys(seen.strangers)))}; make "
                "layers in __init__, as attributes or in nn.ModuleList."
            )
        return model

    def _made(self) -> nn.Module:
        self._begin("build")
        torch.manual_seed(self.seed)
        model = construct(self.source, self.task)
        self._begin("forward")
        complete(model, self.task)
        return model

    def _count(self, model: nn.Module) -> int:
        count = sum(tensor.numel() for tensor in model.parameters() if tensor.requires_grad)
        if count:
            self.found["parameters"] = count
            self._keep_budget("parameters", "OVER_BUDGET_PARAMS", "trainable parameters")
        return count

    def _demand_logits(self, model: nn.Module, output: object, rows: int) -> None:
        inputs, wanted = (rows, *self.task.input_shape), (rows, self.task.classes)
        phase = "training" if model.training else "eval"
        if (wrong := wrong_output(output, wanted)) is not None:
            advice = wrong.advice
            if isinstance(output, Tensor) and output.dim() == 2 and output.shape[1] != self.task.classes:
                argument = choice.default_classes(parse(self.source), output.shape[1])
                if argument is not None:
                    advice += f" Arguments with defaults keep them: let that of {argument} be {self.task.classes}."
            raise Refusal(
                "WRONG_OUTPUT",
                f"forward returned {wrong.what} for an input of shape {inputs} in {phase} mode; return float "
                f"{called(wanted)} of shape {wanted} and nothing else. {advice}".rstrip(),
                blame.returned(model, self.source),
            )

    def _keep_budget(self, name: str, code: str, what: str) -> None:
        value, bound = self.found[name], getattr(self.budget, name)
        if bound is not None and value > bound:
            self.stage = "budget"
            raise Refusal(code, f"The network has {value:,} {what}; at most {bound:,} are allowed. Make it smaller.")

    def _learn(self, model: nn.Module | None) -> None:
        """Two small real batches in train mode, the second as a new step, and one input in eval mode, twice."""
        if model is None:
            model = self._made()
            self._begin("batch")
        if self.found["macs"] <= kernels.MOST_MACS and kernels.misled(model, lambda: self._first_step(model)):
            self.found["onednn"] = False
            self.notes.append(_KERNELS_NOTE)
        torch.manual_seed(self.seed)
        with kernels.without_onednn(wanted=not self.found.get("onednn", True)):
            for rows in _REAL_ROWS:
                self._step(mode.in_train_mode(model), rows)
        self._note_unreached(model)
        if self.recipe.precision == "bf16":
            self._step(model, _REAL_ROWS[-1], bf16=True)
        self._demand_savable(model)
        asked = self._batch(mode.in_eval_mode(model), 1)
        with torch.no_grad():
            output, again = (model(asked.clone()) for _ in range(2))
        self._demand_logits(model, output, 1)
        self._demand_logits(model, again, 1)
        if _alike(output, again):
            self._demand_whole(model, asked, again)
        else:
            self.notes.append(_RESTLESS_NOTE)

    def _first_step(self, model: nn.Module) -> None:
        random.seed(self.seed)  # with which some networks leave layers out
        np.random.seed(self.seed % 2**32)
        torch.manual_seed(self.seed)
        self._step(mode.in_train_mode(model), _REAL_ROWS[0])

    def _demand_whole(self, model: nn.Module, inputs: Tensor, output: Tensor) -> None:
        """Source and weights must be all of a network: made anew, from other random numbers, it answers the same."""
        torch.manual_seed(self.seed ^ 1)
        twin = construct(self.source, self.task)
        complete(twin, self.task)
        try:
            twin.load_state_dict(model.state_dict())
        except RuntimeError as error:
            what = f"its weights do not fit the network that the source makes: {str(error).splitlines()[-1].strip()}"
        else:
            with torch.no_grad():
                if _alike(mode.in_eval_mode(twin)(inputs), output):
                    return
            what = "made anew from the source, with the same weights, it answers otherwise"
        raise Refusal(
            UNSAVED,
            f"After two training steps, {what}; keep what forward changes, and random constants, in "
            'register_buffer("name", ...), which is saved, not in plain attributes. ' + " ".join(self.notes),
            blame.using(_KEEPING, model, self.source),
        )

    def _batch(self, model: nn.Module, rows: int, *, padded: bool = True) -> Tensor:
        inputs = example(self.task, rows, padded=padded)
        return inputs.contiguous(memory_format=settled(model)) if inputs.dim() == 4 else inputs

    def _step(self, model: nn.Module, rows: int, *, bf16: bool = False) -> None:
        model.zero_grad(set_to_none=True)
        inputs = self._batch(model, rows)
        untouched = inputs._version
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            output = model(inputs)
        self._demand_logits(model, output, rows)
        mean = loss(output.float() if bf16 else output, example_labels(self.task, rows), self.task.objective)
        if inputs._version != untouched and _IN_PLACE_NOTE not in self.notes:
            self.notes.append(_IN_PLACE_NOTE)
        if not mean.isfinite():
            infinite = [name for name, weight in model.named_parameters() if not weight.isfinite().all()]
            why = (
                f"the initial weights of {listed(infinite)} are not finite."
                if infinite
                else "look for log, sqrt or division without a lower bound, and for too large initial weights."
            )
            raise Refusal(
                "NON_FINITE_LOSS",
                f"The loss of the untrained network on a random batch is {mean.item()}; {why}",
                blame.using(_UNBOUNDED, model, self.source),
            )
        if not mean.requires_grad:
            raise Refusal(
                "NO_GRADIENT",
                "The output does not depend on any parameter: detach, .data, .item(), argmax or no_grad cut it off.",
                blame.using(_CUTS, model, self.source),
            )
        torch.autograd.backward(mean)

    def _demand_savable(self, model: nn.Module) -> None:
        """What the weights' file cannot hold is told before a training, not after it."""
        for name, entry in model.state_dict().items():
            kind = unsavable(name, entry)
            if kind is not None:
                raise Refusal(
                    "UNSAVABLE",
                    f"state_dict() has {name!r}, {kind}, which no safetensors file holds; keep dense tensors of real "
                    "numbers, integers or bools, and register constants that are not random with persistent=False.",
                    blame.using(_KEEPING, model, self.source),
                )

    def _note_unreached(self, model: nn.Module) -> None:
        gradients = {name: tensor.grad for name, tensor in model.named_parameters() if tensor.requires_grad}
        sparse = [name for name, grad in gradients.items() if grad is not None and grad.layout is not torch.strided]
        if sparse:
            raise Refusal(
                "SPARSE_GRADIENT",
                f"The gradient of {listed(sparse)} is sparse, which the optimizer does not take; use sparse=False.",
                blame.using(_SPARSE, model, self.source),
            )
        broken = [name for name, grad in gradients.items() if grad is not None and not grad.isfinite().all()]
        if broken:
            raise Refusal(
                "NON_FINITE_GRADIENT",
                f"The loss is finite, but not the gradient of {listed(broken)}; "
                "look for sqrt or norm at 0 and for division without a lower bound.",
                blame.using(_UNBOUNDED, model, self.source),
            )
        unreached = [name for name, grad in gradients.items() if grad is None]
        if not any(grad is not None and grad.any() for grad in gradients.values()):
            raise Refusal(
                "NO_GRADIENT",
                "No parameter gets a gradient: the loss does not reach any of them.",
                blame.using(_CUTS, model, self.source),
            )
        if unreached:
            self.notes.append(f"No gradient reaches {listed(unreached)}: not used in forward.")
