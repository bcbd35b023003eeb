"""A whole search whose executor is a model behind the real OpenAI SDK and a server on the loopback."""

from __future__ import annotations

import json

import pytest

from lemonade_es.llm.testing import Fail, ModelServer, Say

pytestmark = [pytest.mark.slow, pytest.mark.isolation]

CANARY = "sk-canary-key-that-must-not-appear-anywhere-7d2a"

GOOD = """\
import torch
from torch import nn


class Digits(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, {width}, 3, padding=1)
        self.head = nn.Linear({features}, 10)

    def forward(self, x):
        return self.head(torch.relu(self.conv(x)).mean((2, 3)))
"""
THIEF = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        stolen = ""
        for path in ("/proc/self/environ", "SECRET"):
            try:
                stolen += open(path).read()
            except OSError as error:
                stolen += type(error).__name__
        raise RuntimeError("stolen: " + stolen)
"""


EXCUSED = [{"instruction": name, "why": "there is no need"} for name in ("ACL", "ADL", "AMK", "AMN", "ASC", "AWI")]


def patch(source):
    """A reply that gives a reason for what it leaves out, or it would be asked to follow."""
    return json.dumps(
        {"summary": "words", "model_py": source, "edits": None, "applied": [], "skipped": EXCUSED, "predicted": None}
    )


def good(width, features=None):
    return patch(GOOD.format(width=width, features=features or width))


def search(lemonade, server, *words, iterations):
    options = ("--llm", "openai:gpt-4o", "--llm-base-url", server.url, "--iterations", iterations, "--epochs", 1)
    return lemonade("run", *options, *words, "--json", OPENAI_API_KEY=CANARY)


def explanations(lemonade):
    return lemonade("explain", "latest", "--json").json


def test_prose_faults_and_wrong_shapes_are_recorded_and_mended(lemonade):
    script = [
        Fail(503, headers={"Retry-After": "0"}),
        Say(f"Here it is:\n```json\n{good(4)}\n```\nEnjoy!"),
        Say(good(8, features=5)),
        Say(good(8)),
    ]
    with ModelServer(script) as server:
        done = search(lemonade, server, iterations=2)
        asked = len(server.requests)
    assert done.code == 0, done.err
    assert (done.json["valid"], asked) == (2, 4)
    first, second = explanations(lemonade)
    assert first["patch"]["mended"]
    assert second["refused"][0]["code"] == "SHAPE_MISMATCH"
    assert second["refused"][0]["line_text"].strip().startswith("return self.head(")
    assert "SHAPE_MISMATCH" in server.requests[3].body["messages"][-1]["content"]


def test_a_hostile_network_gets_nothing_and_the_search_goes_on(lemonade, tmp_path):
    (tmp_path / ".netrc").write_text("password netrc-canary")
    thief = THIEF.replace("SECRET", str(tmp_path / ".netrc"))
    with ModelServer([Say(patch(thief)), Say(good(4))]) as server:
        done = search(lemonade, server, iterations=1)
        sent = json.dumps([request.body for request in server.requests])
    assert done.code == 0, done.err
    refused = explanations(lemonade)[0]["refused"][0]
    assert refused["stage"] == "build"
    assert "stolen: " in refused["message"]
    assert "PermissionError" in refused["message"]
    assert "canary" not in sent


def test_the_key_is_in_no_output_and_in_no_file_of_the_run(lemonade, tmp_path):
    with ModelServer([Say(good(4))]) as server:
        done = search(lemonade, server, iterations=1)
        assert server.requests[0].headers["authorization"] == f"Bearer {CANARY}"
    told = lemonade("explain", "latest", "--json")
    assert CANARY not in done.out + done.err + told.out + told.err
    kept = [path for path in (tmp_path / "runs").rglob("*") if path.is_file() and CANARY.encode() in path.read_bytes()]
    assert kept == []


def test_a_wrong_key_stops_at_once_with_one_line_and_the_run_can_go_on(lemonade):
    with ModelServer([Say(good(4)), Fail(401, "Incorrect API key provided")]) as server:
        done = search(lemonade, server, iterations=2)
        assert len(server.requests) == 2
    assert done.code == 2
    assert len(done.err.strip().splitlines()) == 1
    assert CANARY not in done.err
    with ModelServer([Say(good(8))]) as server:
        again = lemonade("run", "--resume", "latest", "--llm-base-url", server.url, "--json", OPENAI_API_KEY=CANARY)
        assert len(server.requests) == 1
    assert again.code == 0, again.err
    assert again.json["valid"] == 2
