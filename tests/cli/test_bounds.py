"""`--require` as a user has it."""

from __future__ import annotations

import pytest


@pytest.mark.slow
@pytest.mark.isolation
def test_a_network_that_keeps_the_bound_leads_and_the_json_says_so(lemonade):
    words = ("--iterations", 3, "--epochs", 3, "--limit", 300, "--require", "P=9000")
    done = lemonade("run", *words, "--json")
    assert done.code == 0, done.err
    assert done.json["required"] == {"bounds": {"P": 9000}, "kept": True}
    assert done.json["best"]["metrics"]["P"] <= 9000
    facts = lemonade("explain", "latest", "--iteration", 2, "--json").json["facts"]
    assert facts["TP"] == 9000
    again = lemonade("run", "--resume", "latest", "--require", "P=5000")
    assert again.code == 2
    assert "--require: a resumed run keeps what it was started with" in again.err


def test_a_bound_on_what_is_no_metric_is_refused_in_one_line(lemonade):
    done = lemonade("run", "--require", "TS=0.1")
    assert done.code == 2
    assert done.err.startswith("lemonade-es: --require: 'TS' is no metric that can be required")
    assert len(done.err.splitlines()) == 1
