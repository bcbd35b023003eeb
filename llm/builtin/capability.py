"""The fifteen instructions of the paper's Table 3, each with the edits that can carry it out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from types import MappingProxyType
from typing import Literal

from lemonade_es.llm.builtin import convolutions, head, regularization
from lemonade_es.llm.builtin.blueprint import Blueprint
from lemonade_es.llm.builtin.change import Change
from lemonade_es.llm.request import Instruction
from lemonade_es.task import TaskKind

Proposals = Callable[[Blueprint], Iterator[Change]]


@dataclass(frozen=True, slots=True)
class Capability:
    """What the executor can do.

    Attributes:
        id: the instruction's id in Table 3.
        changes: the census entry that it moves.
        direction: the way it moves it.
        proposals: the edits of a blueprint that would do it.
        exhausted: why there may be none.
        stand_in: for what the network cannot have, why something else is done instead; ``None`` for the thing itself.
    """

    id: str
    changes: str
    direction: Literal["increase", "reduce"]
    proposals: Proposals
    exhausted: str
    stand_in: str | None = None

    def moved(self, before: dict[str, int], after: dict[str, int]) -> bool:
        """Whether the census entry went the asked way."""
        difference = after[self.changes] - before[self.changes]
        return difference > 0 if self.direction == "increase" else difference < 0

    def opposed(self, before: dict[str, int], after: dict[str, int]) -> bool:
        """Whether the census entry went the other way."""
        return self.moved(after, before)


_CAPABILITIES = (
    Capability("ACL", "conv_layers", "increase", convolutions.deeper, "every stage is as deep as is useful"),
    Capability("RCL", "conv_layers", "reduce", convolutions.shallower, "no convolution can go without another change"),
    Capability("ASC", "skips", "increase", convolutions.skip_added, "every convolution has its skip already"),
    Capability("RSC", "skips", "reduce", convolutions.skip_removed, "there is no skip connection"),
    Capability("AMK", "kernels", "increase", convolutions.wider, "every stage is as wide as is useful"),
    Capability("RK", "kernels", "reduce", convolutions.narrower, "every stage is as narrow as can be"),
    Capability("ADL", "dense_layers", "increase", head.dense_added, "two hidden dense layers are enough"),
    Capability("RDL", "dense_layers", "reduce", head.dense_removed, "only the classifier is left"),
    Capability("AMN", "neurons", "increase", head.neurons_added, "every hidden layer is as wide as is useful"),
    Capability("RN", "neurons", "reduce", head.neurons_removed, "there is no hidden dense layer"),
    Capability("AD", "dropouts", "increase", regularization.dropout_added, "dropout is as strong as is useful"),
    Capability("RD", "dropouts", "reduce", regularization.dropout_removed, "there is no dropout"),
    Capability("AR", "regularizers", "increase", regularization.regularizer_added, "each regulariser is there already"),
    Capability("RR", "regularizers", "reduce", regularization.regularizer_removed, "there is no regulariser"),
    Capability("AWI", "initializers", "increase", regularization.initializer_added, "every layer is initialised"),
)

BY_ID: Mapping[str, Capability] = MappingProxyType({known.id: known for known in _CAPABILITIES})
_BY_EFFECT: Mapping[tuple[str, str], Capability] = MappingProxyType(
    {(known.changes, known.direction): known for known in _CAPABILITIES}
)


_NO_CONVOLUTIONS = "a table has nothing to convolve over, so that its dense layers stand in"
_NO_KERNELS = "a table has nothing to convolve over, so that the neurons of its dense layers stand in"
_DEEP, _WIDE = "every part is as deep as is useful", "every layer is as wide as is useful"
_SHALLOW, _NARROW = "no dense layer can go", "every layer is as narrow as can be"


def _stand_in(name: str, changes: str, exhausted: str, why: str) -> Capability:
    return replace(BY_ID[name], changes=changes, exhausted=exhausted, stand_in=why)


def _with(name: str, more: Proposals, exhausted: str) -> Capability:
    known = BY_ID[name]
    usual = known.proposals
    return replace(known, proposals=lambda blueprint: chain(usual(blueprint), more(blueprint)), exhausted=exhausted)


_OF_TABLES: Mapping[str, Capability] = MappingProxyType(
    {
        known.id: known
        for known in (
            _stand_in("ACL", "dense_layers", _DEEP, _NO_CONVOLUTIONS),
            _stand_in("RCL", "dense_layers", _SHALLOW, _NO_CONVOLUTIONS),
            _stand_in("AMK", "neurons", _WIDE, _NO_KERNELS),
            _stand_in("RK", "neurons", _NARROW, _NO_KERNELS),
            _with("ADL", convolutions.deeper, _DEEP),
            _with("RDL", convolutions.shallower, _SHALLOW),
            _with("AMN", convolutions.wider, _WIDE),
            _with("RN", convolutions.narrower, _NARROW),
        )
    }
)
"""What differs for tables, whose body has dense layers in the place of convolutions."""


def capability(instruction: Instruction, kind: TaskKind) -> Capability | None:
    """What can carry the instruction out on a network of this kind, or ``None``.

    The effect that the rulebook names decides, since a user's rulebook may give it another id; the id decides
    where the rulebook names none.
    """
    if instruction.changes is None or instruction.direction is None:
        known = BY_ID.get(instruction.id)
    else:
        known = _BY_EFFECT.get((instruction.changes, instruction.direction))
    return _OF_TABLES.get(known.id, known) if known is not None and kind == "table" else known
