from __future__ import annotations

import io

import pytest
from rich.console import Console

from lemonade_es.engine.events import IterationEnded, Replied, Seconds, Unanswered
from lemonade_es.llm.executor import Reply, Usage
from lemonade_es.report.live import PlainView

ENDED = IterationEnded(1, "ok", {"V_Acc": 0.9}, 1.0, True, Seconds(2.0))


def shown(*events):
    out = io.StringIO()
    view = PlainView(Console(file=out, width=200))
    for event in events:
        view.event(event)
    return out.getvalue()


def replied(cost):
    return Replied(1, 1, Reply("{}", "openai:gpt-4o", Usage(cost_usd=cost)))


def test_what_the_calls_have_cost_so_far_is_told_with_each_iteration():
    assert "0.0300 USD" in shown(replied(0.01), replied(0.02), ENDED)


@pytest.mark.parametrize("cost", [0.0, None])
def test_calls_that_cost_nothing_that_is_known_are_told_without_a_price(cost):
    assert "USD" not in shown(replied(cost), ENDED)


def test_a_call_without_an_answer_is_told():
    assert "iteration 2: no answer: the server is gone" in shown(Unanswered(2, 1, "one", "the server is gone"))
