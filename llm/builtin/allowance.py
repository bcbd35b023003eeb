"""How large a patched network may become: the request's budgets, and moderation where it has none."""

from __future__ import annotations

import math
from dataclasses import dataclass

from lemonade_es.llm.builtin.blueprint import Blueprint
from lemonade_es.llm.builtin.cost import macs, parameters
from lemonade_es.llm.request import Constraints

# A search trains dozens of networks, on a CPU if need be: no patch may make training much dearer at once.
_GROWTH = 1.7
_MACS_FOR_32_PIXELS = 40_000_000
_WEIGHTS = 2_000_000
_WEIGHTS_OF_A_FEATURE = 400
"""In a table: the first layer alone, which is the most of a network for a wide one, begins with about a hundred."""


@dataclass(frozen=True, slots=True)
class Allowance:
    """Upper bounds, inclusive.

    Attributes:
        macs: multiply-accumulates of one input.
        parameters: trainable parameters.
    """

    macs: int
    parameters: int

    @classmethod
    def of(cls, blueprint: Blueprint, constraints: Constraints, refusals: int = 0) -> Allowance:
        """What a patch of this network may cost.

        One patch may make the multiply-accumulates about 1.7 times as many. Without a budget they end at 40
        million for 32x32 images (in proportion to the side for others; at 1.25 million for tables), and the weights
        outside the embedding at two million; both end later for a table of many features. A network that costs more
        already may keep its cost.

        Args:
            blueprint: the network to patch.
            constraints: budgets, which are never exceeded.
            refusals: how often a patch was refused as too large; each quarters the room to grow.
        """
        cost, weights = macs(blueprint), parameters(blueprint)
        side = 32.0 if blueprint.kind == "text" else math.sqrt(math.prod(blueprint.size))
        wide = _WEIGHTS_OF_A_FEATURE * blueprint.channels if blueprint.kind == "table" else 0
        cap = constraints.macs if constraints.macs is not None else max(int(_MACS_FOR_32_PIXELS * side / 32), wide)
        embedding = (blueprint.vocabulary_size or 0) * (blueprint.embedding or 0)
        widest = constraints.parameters if constraints.parameters is not None else max(embedding + _WEIGHTS, wide)
        room = max(min(cap, int(_GROWTH * cost) + cap // 20) - cost, 0) // 4**refusals
        spare = max(widest - weights, 0) // 4**refusals
        return cls(
            cost + room if constraints.macs is None else min(cost + room, constraints.macs),
            weights + spare if constraints.parameters is None else min(weights + spare, constraints.parameters),
        )

    def admits(self, blueprint: Blueprint) -> bool:
        """Whether the network keeps both bounds."""
        return macs(blueprint) <= self.macs and parameters(blueprint) <= self.parameters

    def ease(self, before: Blueprint, after: Blueprint) -> float:
        """1 for a change that costs nothing, less the more of the remaining room it takes."""
        room = max(self.macs - macs(before), 1)
        return 1 / (1 + 4 * max(macs(after) - macs(before), 0) / room)
