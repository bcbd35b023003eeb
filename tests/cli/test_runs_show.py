"""What a user sees of the executors of a run: `runs show`, `prompt`, and the totals of `run --json`."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from lemonade_es.llm.testing import Fail, ModelServer, Say

pytestmark = [pytest.mark.slow, pytest.mark.isolation]

CANARY = "sk-canary-key-that-must-not-appear-anywhere-91c4"

NETWORK = """\
import torch
from torch import nn


class Digits(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, {width}, 3, padding=1)
        self.head = nn.Linear({width}, 10)

    def forward(self, x):
        return self.head(torch.relu(self.conv(x)).mean((2, 3)))
"""


def network(width, predicted=None):
    data = {"summary": "words", "model_py": NETWORK.format(width=width), "edits": None, "applied": [], "skipped": []}
    return json.dumps(data | {"predicted": predicted})


def run(lemonade, server, *words):
    where = ("--llm", "openai:gpt-4o", "--llm-base-url", server.url, "--epochs", 1)
    return lemonade("run", *where, *words, "--json", OPENAI_API_KEY=CANARY)


PRICES = "prices: {'openai:gpt-4o': {input: 10, cached: 5, output: 20}}\n"


@pytest.fixture
def talked(lemonade, tmp_path):
    """A run of two iterations with a fault, a refusal and a reply that ignored its instructions."""
    (tmp_path / "search.yaml").write_text(PRICES)
    script = [
        Fail(503, headers={"Retry-After": "0"}),
        Say(network(4, {"T_Acc": 0.5, "V_Acc": 0.5, "F": None, "P": 90})),
        Say("no patch at all"),
        Say(network(5), cached_tokens=500),
        Say(network(6), reasoning_tokens=100),
    ]
    with ModelServer(script) as server:
        done = run(lemonade, server, "search.yaml", "--iterations", 2)
        sent = [request.body["messages"][-1]["content"] for request in server.requests]
    assert done.code == 0, done.err
    return done.json, sent


def test_a_run_is_told_in_one_page_and_as_json_with_the_documented_names(lemonade, talked):
    result, _ = talked
    shown = lemonade("runs", "show", "latest", "--json")
    assert shown.code == 0, shown.err
    told = shown.json
    documented = _documented("runs show")
    assert set(told) | set(told["executors"][0]) == documented
    (account,) = told["executors"]
    assert (account["executor"], account["calls"], account["tries"]) == ("openai:gpt-4o", 4, 5)
    assert account["faults"] == {"overloaded": 1}
    assert account["refusals"] == {"NOT_FOLLOWED": 1, "NOT_JSON": 1}
    assert (account["requests"], account["repairs"]) == (2, 2)
    assert account["calibration"]["T_Acc"]["count"] == 1
    assert account["calibration"]["P"]["mean_error"] == 0.0
    assert account["compliance"]["rate"] < 1
    assert told["llm"] == result["llm"]
    page = lemonade("runs", "show", "latest")
    assert page.code == 0, page.err
    for words in ("openai:gpt-4o", "finished: 2 iterations are done", "overloaded 1", "NOT_FOLLOWED 1", "0.0535 USD"):
        assert words in page.out
    assert CANARY not in page.out + shown.out


def _documented(heading):
    page = (Path(__file__).parents[2] / "docs" / "json.md").read_text()
    section = page.split(f"## `lemonade-es {heading}", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def test_the_totals_of_calls_tokens_and_cost_are_in_the_result(talked):
    result, _ = talked
    assert result["llm"] == {
        "calls": 4,
        "tries": 5,
        "input_tokens": 4000,
        "cached_tokens": 500,
        "cache_write_tokens": 0,
        "output_tokens": 800,
        "reasoning_tokens": 100,
        "perhaps_paid": 0,
        "cost_usd": pytest.approx((3500 * 10 + 500 * 5 + 800 * 20) / 1e6),
    }


def test_the_prompt_of_each_attempt_is_printed_word_for_word(lemonade, talked):
    _, sent = talked
    assert lemonade("prompt", "latest", "--iteration", 1).out.rstrip("\n").endswith(sent[1].rstrip("\n"))
    repair = lemonade("prompt", "latest", "--iteration", 2, "--attempt", 3)
    assert repair.out.rstrip("\n").endswith(sent[4].rstrip("\n"))
    assert "NOT_FOLLOWED" in repair.out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--iteration", 9), "there is no such iteration"),
        (("--iteration", 2, "--attempt", 9), "there is no such attempt (attempts of this iteration: 1"),
        (("--iteration", 2), "builtin is sent the request itself, and no text"),
    ],
)
def test_a_prompt_that_is_not_there_is_said_so(finished, words, told):
    done = finished[0]("prompt", "latest", *words)
    assert done.code == 2
    assert told in done.err
    assert len(done.err.strip().splitlines()) == 1


def test_the_built_in_executor_costs_nothing_and_its_page_says_no_more_than_there_is(finished):
    command, result = finished
    assert result["llm"]["cost_usd"] == 0.0
    page = command("runs", "show", result["run"])
    assert page.code == 0, page.err
    assert "builtin" in page.out
    assert "tokens" not in page.out


def test_the_runs_are_listed_as_before(finished):
    command, result = finished
    assert result["run"] in command("runs").out
    assert [line["run"] for line in command("runs", "--json").json] == [result["run"]]


def test_a_run_that_is_not_there_cannot_be_shown(finished):
    done = finished[0]("runs", "show", "nosuch")
    assert (done.code, done.out) == (2, "")
    assert "there is no run 'nosuch'" in done.err


def test_a_fallback_takes_over_from_a_model_that_cannot_be_asked(lemonade):
    with ModelServer([Fail(401, "Incorrect API key provided")] * 2) as server:
        done = run(lemonade, server, "--iterations", 2, "--fallback", "builtin")
    assert done.code == 0, done.err
    assert done.json["valid"] == 2
    told = lemonade("runs", "show", "latest", "--json").json
    model, builtin = told["executors"]
    assert (model["executor"], model["unanswered"], model["faults"]) == ("openai:gpt-4o", 2, {"denied": 2})
    assert (builtin["executor"], builtin["as_fallback"], builtin["accepted"]) == ("builtin", 2, 2)
    assert "builtin" in lemonade("runs", "show", "latest").out
    again = lemonade("run", "--resume", "latest", "--json")
    assert again.json["valid"] == 2


def test_a_recorded_run_is_replayed_without_a_model_and_comes_to_the_same(lemonade, talked):
    result, _ = talked
    done = lemonade("run", "--llm", "replay:latest", "--epochs", 1, "--iterations", 2, "--json")
    assert done.code == 0, done.err
    same = ("iterations", "valid", "instructions_per_iteration")
    assert {name: done.json[name] for name in same} == {name: result[name] for name in same}
    assert done.json["best"]["CM"] == result["best"]["CM"]
    assert (done.json["llm"]["calls"], done.json["llm"]["cost_usd"]) == (4, 0.0)
    told = lemonade("runs", "show", "latest", "--json").json
    assert told["spec"]["llm"] == f"replay:{result['run']}"
    assert told["executors"][0]["refusals"] == {"NOT_FOLLOWED": 1, "NOT_JSON": 1}
    more = lemonade("run", "--resume", "latest", "--iterations", 3)
    assert more.code == 2
    assert "go on with: lemonade-es run --resume" in more.err


def test_a_prompt_that_no_answer_came_to_is_shown_as_it_was_sent_and_its_tries_are_explained(lemonade):
    with ModelServer([Fail(503, headers={"Retry-After": "0"}), Fail(401, "Incorrect API key provided")]) as server:
        assert run(lemonade, server, "--iterations", 1).code == 2
        sent = [request.body["messages"] for request in server.requests]
    assert sent[0] == sent[1]
    told = lemonade("prompt", "latest", "--iteration", 1)
    system, user = (message["content"] for message in sent[0])
    assert told.out == f"[system]\n{system}\n\n[user]\n{user}\n"
    (explained,) = lemonade("explain", "latest", "--json").json
    (lost,) = explained["unanswered"]
    assert ([item["code"] for item in lost["tries"]], lost["interrupted"]) == (["overloaded", "denied"], False)
    page = lemonade("explain", "latest").out
    assert "attempt 1: openai:gpt-4o gave no answer" in page
    assert "try 1: overloaded after" in page
    assert "try 2: denied after" in page


def test_a_run_to_replay_that_is_not_there_is_said_so(lemonade, tmp_path):
    done = lemonade("run", "--llm", "replay:nosuch")
    assert done.code == 2
    assert "there are no runs here" in done.err
    assert not (tmp_path / "runs").exists()


def test_spent_calls_stop_a_run_that_can_be_given_more(lemonade):
    done = lemonade("run", "--iterations", 3, "--epochs", 1, "--max-llm-calls", 1, "--json")
    assert (done.code, done.json["status"], done.json["iterations"]) == (0, "stopped", 1)
    assert done.json["reason"] == "the LLM budget of 1 call is spent"
    more = lemonade("run", "--resume", "latest", "--max-llm-calls", 2, "--json")
    assert (more.code, more.json["iterations"]) == (0, 2), more.err


@pytest.mark.parametrize("words", [("--max-llm-calls", 0), ("--fallback", "nosuch:model")])
def test_a_budget_or_a_fallback_that_cannot_be_is_refused_at_once(lemonade, words):
    done = lemonade("run", *words)
    assert done.code == 2
    assert len(done.err.strip().splitlines()) == 1
