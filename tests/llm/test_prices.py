from __future__ import annotations

import datetime

import pytest

from lemonade_es.errors import ConfigError
from lemonade_es.llm.executor import Usage
from lemonade_es.llm.prices import Price, cost, price_mapping, shipped


def test_cached_tokens_are_part_of_the_input_and_cheaper() -> None:
    usage = Usage(input_tokens=1_000_000, cached_tokens=400_000, output_tokens=100_000, reasoning_tokens=50_000)

    assert cost(usage, "openai:gpt-4o") == pytest.approx(0.6 * 2.5 + 0.4 * 1.25 + 0.1 * 10)


def test_a_model_without_a_cache_discount_charges_cached_tokens_in_full() -> None:
    assert cost(Usage(1000, 1000, 0), "m", {"m": Price(2.0, 4.0)}) == pytest.approx(0.002)


def test_a_dated_snapshot_costs_what_its_model_does_unless_it_has_a_price() -> None:
    usage = Usage(input_tokens=1_000_000)
    prices = {"m": Price(2.5, 10.0), "m-2024-05-13": Price(5.0, 15.0)}

    assert cost(usage, "m-2024-08-06", prices) == pytest.approx(2.5)
    assert cost(usage, "m-2024-05-13", prices) == pytest.approx(5.0)
    assert cost(usage, "m-20260915", prices) == pytest.approx(2.5)
    assert cost(usage, "m-12345678", prices) is None


def test_a_snapshot_that_is_dearer_than_its_model_has_its_own_price() -> None:
    usage = Usage(input_tokens=1_000_000, output_tokens=1_000_000)

    assert cost(usage, "openai:gpt-4o-2024-05-13") == pytest.approx(20.0)
    assert cost(usage, "openai:gpt-4o-2024-08-06") == pytest.approx(12.5)


def test_an_unknown_model_has_no_cost_rather_than_a_cost_of_nothing() -> None:
    assert cost(Usage(1000), "openai:no-such-model") is None


def test_a_user_s_prices_stand_in_for_the_shipped_ones() -> None:
    prices = price_mapping({"openai:mine": {"input": 1, "output": 2, "cached": None}})

    assert cost(Usage(1_000_000, 0, 1_000_000), "openai:mine", prices) == pytest.approx(3.0)
    assert cost(Usage(1_000_000), "openai:gpt-4o", prices) is None


def test_what_is_written_to_a_cache_has_a_price_of_its_own() -> None:
    usage = Usage(input_tokens=1000, cached_tokens=200, cache_write_tokens=600)
    dear = price_mapping({"m": {"input": 4, "output": 2, "cached": 1, "cache_write": 5}})
    plain = price_mapping({"m": {"input": 4, "output": 2, "cached": 1}})

    assert cost(usage, "m", dear) == pytest.approx((200 * 4 + 200 * 1 + 600 * 5) / 1e6)
    assert cost(usage, "m", plain) == pytest.approx((800 * 4 + 200 * 1) / 1e6)


def test_anthropic_asks_a_quarter_more_for_what_it_writes_to_its_cache() -> None:
    anthropic = [price for name, price in shipped().models.items() if name.startswith("anthropic:")]

    assert anthropic
    assert all(price.cache_write == pytest.approx(1.25 * price.input) for price in anthropic)


def test_the_shipped_table_has_a_date_a_source_and_sane_prices() -> None:
    table = shipped()

    assert datetime.date.fromisoformat(table.date) >= datetime.date(2026, 1, 1)
    assert "openai.com" in table.source
    for price in table.models.values():
        assert 0 < price.input < price.output
        assert price.cached is None or price.cached < price.input


@pytest.mark.parametrize(
    "entry", [3, {"input": 1}, {"input": 1, "output": 2, "extra": 3}, {"input": True, "output": 2}]
)
def test_what_is_no_price_is_refused_with_its_place(entry: object) -> None:
    with pytest.raises(ConfigError) as error:
        price_mapping({"openai:x": entry})

    assert error.value.where == "prices.openai:x"


@pytest.mark.parametrize("value", [-1, float("nan"), "2.50", None])
def test_a_price_is_a_number_of_at_least_zero(value: object) -> None:
    with pytest.raises(ConfigError, match="input is"):
        price_mapping({"openai:x": {"input": value, "output": 2}})
