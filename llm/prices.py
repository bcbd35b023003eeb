"""What a call costs: a dated table of prices, which the user may override."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

from ruamel.yaml import YAML

from lemonade_es.errors import ConfigError
from lemonade_es.llm.executor import Usage

_OPTIONAL = ("cached", "cache_write")
_SNAPSHOT = re.compile(r"-20\d\d(?:-\d\d-\d\d|\d{4})$")
"""The date at the end of a model's name, as OpenAI and as Anthropic writes it."""


@dataclass(frozen=True, slots=True)
class Price:
    """Prices of one model in US dollars per million tokens.

    Attributes:
        input: of tokens sent.
        output: of tokens received, the model's reasoning among them.
        cached: of tokens sent that the provider had cached; ``None`` if they cost what others do.
        cache_write: of tokens sent that it wrote to its cache; likewise.
    """

    input: float
    output: float
    cached: float | None = None
    cache_write: float | None = None


@dataclass(frozen=True, slots=True)
class PriceTable:
    """Prices by model, as ``--llm`` names it (``openai:gpt-4o``), the day they were read, and where."""

    date: str
    source: str
    models: Mapping[str, Price]


@cache
def shipped() -> PriceTable:
    """The table in ``llm/prices.yaml``."""
    text = resources.files("lemonade_es.llm").joinpath("prices.yaml").read_text("utf-8")
    data = YAML(typ="safe", pure=True).load(text)
    return PriceTable(str(data["date"]), data["source"], price_mapping(data["models"]))


def price_mapping(data: Mapping[str, Any], where: str = "prices") -> Mapping[str, Price]:
    """Prices from a user's mapping: ``{"openai:gpt-4o": {"input": 2.5, "cached": 1.25, "output": 10}}``.

    Args:
        data: by model; ``cached`` and ``cache_write`` may be left out.
        where: the place, for errors.

    Raises:
        ConfigError: an entry lacks a price, has an unknown one, or one that is not a number of at least 0.
    """
    return MappingProxyType({model: _price(entry, f"{where}.{model}") for model, entry in data.items()})


def cost(usage: Usage, model: str, prices: Mapping[str, Price] | None = None) -> float | None:
    """What a call cost in US dollars; ``None`` if the model's price is not known.

    Tokens read from and written to a cache are part of the input tokens, and reasoning tokens of the output tokens.

    Args:
        usage: tokens of the call.
        model: as ``--llm`` names it; a dated snapshot (``-2024-08-06``, ``-20251101``) costs what its model
            does, unless it is in the table itself.
        prices: to look in; the shipped table if ``None``.
    """
    table = shipped().models if prices is None else prices
    price = table.get(model) or table.get(_SNAPSHOT.sub("", model))
    if price is None:
        return None
    cached = price.input if price.cached is None else price.cached
    write = price.input if price.cache_write is None else price.cache_write
    fresh = max(0, usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens)
    sent = fresh * price.input + usage.cached_tokens * cached + usage.cache_write_tokens * write
    return (sent + usage.output_tokens * price.output) / 1e6


def _price(entry: object, where: str) -> Price:
    if isinstance(entry, Price):
        return entry
    shape = "give input, output and perhaps cached and cache_write, in US dollars per million tokens"
    if not isinstance(entry, Mapping) or not {"input", "output"} <= entry.keys() <= {"input", "output", *_OPTIONAL}:
        raise ConfigError(f"{entry!r} is not a price", where=where, hint=shape)
    for name, value in entry.items():
        known = name in _OPTIONAL and value is None
        number = isinstance(value, int | float) and not isinstance(value, bool)
        if not known and not (number and math.isfinite(value) and value >= 0):
            raise ConfigError(f"{name} is {value!r}, not a number of at least 0", where=where, hint=shape)
    return Price(**entry)
