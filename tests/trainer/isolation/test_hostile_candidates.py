"""Candidates that misbehave: what each attempt becomes, and that the workshop survives it."""

from __future__ import annotations

import os
import re
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest
import sklearn

from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.limits import Limits
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.trainer.workshop import Workshop

pytestmark = pytest.mark.isolation

# the network passes the check and acts in one of the first batches of its training
LATE = """
from torch import nn
import torch

os, sys, ctypes, struct, json, time = map(__import__, "os sys ctypes struct json time".split())

def frame(message):
    text = message if isinstance(message, bytes) else json.dumps(message).encode()
    return struct.pack("<IQ", len(text), 0) + text

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(192, 4)
        self.calls = 0

    def forward(self, x):
        self.calls += 1
        y = self.layer(x.flatten(1))
        if self.training and self.calls == 8:
            {action}
        return y
"""

# each attempt is tried at import; what comes back as an exception's text names those that worked
ATTEMPTS = """
os, sys, ctypes, socket, signal, resource = map(__import__, "os sys ctypes socket signal resource".split())
libc = ctypes.CDLL(None, use_errno=True)

def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), "refused")

worked = []
def attempt(name, action):
    try:
        action()
    except (OSError, ValueError):
        return
    worked.append(name)

{attempts}
raise RuntimeError(f"worked: {worked}")
"""


def worked(workshop: Workshop, attempts: str) -> str:
    """The message in which a candidate tells which of its attempts worked."""
    report = workshop.check(ATTEMPTS.replace("{attempts}", attempts))
    assert not report.ok
    assert report.message is not None
    return report.message


@pytest.fixture(autouse=True)
def _next_candidate_passes(workshop: Workshop, good: str) -> Iterator[None]:
    yield
    assert workshop.check(good).ok


@pytest.fixture(autouse=True, scope="module")
def _next_candidate_trains(workshop: Workshop, good: str) -> Iterator[None]:
    yield
    measurement = workshop.train(good, seed=1).measurement
    assert measurement.failure is None
    assert len(measurement.epochs) == 2


def test_data_sets_that_lie_in_installed_packages_cannot_be_read(workshop: Workshop) -> None:
    folder = Path(sklearn.__file__).parent / "datasets" / "data"
    digits = folder / "digits.csv.gz"
    assert digits.is_file()
    message = worked(workshop, f'attempt("read", lambda: open({str(digits)!r}, "rb").read())')
    assert "worked: []" in message


def test_files_outside_cannot_be_read_or_written(workshop: Workshop, tmp_path: Path) -> None:
    secret = tmp_path / "home" / ".netrc"
    secret.parent.mkdir()
    secret.write_text("password")
    message = worked(
        workshop,
        f"""
attempt("read", lambda: open({str(secret)!r}).read())
attempt("list", lambda: os.listdir({str(secret.parent)!r}))
attempt("passwd", lambda: open("/etc/passwd").read())
attempt("append", lambda: open({str(secret)!r}, "a"))
attempt("create", lambda: open({str(tmp_path / "new")!r}, "w"))
attempt("create in /tmp", lambda: open("/tmp/lemonade-es-test", "w"))
attempt("unlink", lambda: os.unlink({str(secret)!r}))
attempt("mkdir", lambda: os.mkdir({str(tmp_path / "folder")!r}))
attempt("rename", lambda: os.rename({str(secret)!r}, {str(tmp_path / "moved")!r}))
attempt("chmod", lambda: os.chmod({str(secret)!r}, 0o777))
attempt("link", lambda: os.link({str(secret)!r}, {str(tmp_path / "link")!r}))
attempt("truncate", lambda: os.truncate({str(secret)!r}, 0))
attempt("memory", lambda: open("/proc/self/mem", "r+b"))
attempt("memfd", lambda: os.memfd_create("x"))
""",
    )
    assert "worked: []" in message
    assert secret.read_text() == "password"
    assert [path.name for path in tmp_path.iterdir()] == ["home"]


def test_no_process_and_no_network_can_be_reached(workshop: Workshop) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        message = worked(
            workshop,
            f"""
attempt("connect", lambda: socket.create_connection(("127.0.0.1", {server.getsockname()[1]})))
attempt("unix socket", lambda: socket.socket(socket.AF_UNIX))
attempt("datagram", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
attempt("fork", lambda: os.fork() or os._exit(0))
attempt("exec", lambda: os.execv("/bin/true", ["true"]))
attempt("kill the parent", lambda: os.kill(os.getppid(), 9))
attempt("kill the user's", lambda: os.kill({os.getpid()}, 0))
attempt("stop the group", lambda: os.killpg(0, signal.SIGSTOP))
attempt("ptrace", lambda: call("ptrace", 16, os.getppid(), None, None))
attempt("unshare", lambda: call("unshare", 0x10000000))
attempt("io_uring", lambda: call("syscall", 425, 8, ctypes.create_string_buffer(120)))
attempt("another process's memory", lambda: call("process_vm_readv", os.getppid(), None, 0, None, 0, 0))
attempt("more memory", lambda: resource.setrlimit(resource.RLIMIT_AS, (1 << 40, 1 << 40)))
attempt("be told of no parent's end", lambda: call("prctl", 1, 0, 0, 0, 0))
attempt("root again", lambda: os.setuid(0))
""",
        )
    assert "worked: []" in message


def test_secrets_of_the_environment_do_not_reach_the_child(
    toy: Dataset, quick_recipe: Recipe, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with Workshop(toy, quick_recipe, device="cpu") as opened:
        message = worked(
            opened,
            """
attempt("environ", lambda: open("/proc/self/environ").read())
attempt("the parent's environ", lambda: open(f"/proc/{os.getppid()}/environ").read())
attempt("the command line", lambda: open("/proc/1/cmdline").read())
worked.extend(key for key, value in os.environ.items() if "OPENAI" in key or "secret" in value)
""",
        )
    assert "worked: []" in message


def test_only_the_channel_is_open(workshop: Workshop) -> None:
    message = worked(
        workshop,
        """
def inode(number):
    status = os.fstat(number)
    worked.append((number, status.st_mode & 0o170000))
for number in range(256):
    try:
        inode(number)
    except OSError:
        pass
""",
    )
    character, channel = 0o020000, 0o140000
    assert f"worked: [(0, {character}), (1, {character}), (2, {character}), (3, {channel})]" in message


SHOWN = """
import sys, torch

step = sys._getframe()
while step is not None:
    for value in list(step.f_locals.values()):
        if (supplies := getattr(value, "_supplies", None)) is not None:
            held = (supplies.data.inputs, supplies.data.labels, supplies.validation)
            raise RuntimeError(f"held: {[int(tensor.count_nonzero()) for tensor in held]}")
    step = step.f_back
"""


def test_a_check_whose_words_go_back_to_an_llm_has_no_data_to_tell(workshop: Workshop, good: str) -> None:
    report = workshop.check(SHOWN + good)
    assert report.code == "BUILD_FAILED"
    assert "held: [0, 0, 0]" in report.message


def test_spoiled_data_are_spoiled_for_the_spoiler_alone(workshop: Workshop, good: str) -> None:
    before = workshop.train(good, seed=3).measurement
    spoil = """
frame = sys._getframe()
            while "data" not in frame.f_locals:
                frame = frame.f_back
            frame.f_locals["data"].inputs.zero_()
            frame.f_locals["data"].labels.zero_()
            self.calls += 1
    """.strip()
    assert workshop.train(LATE.replace("{action}", spoil), seed=3).measurement.failure is None
    assert workshop.train(good, seed=3).measurement.metrics["T_Acc"] == before.metrics["T_Acc"]


@pytest.mark.parametrize(
    ("action", "code"),
    [
        pytest.param("while True: pass", "TIMED_OUT", id="endless loop"),
        pytest.param("time.sleep(1000)", "TIMED_OUT", id="sleep"),
        pytest.param("torch.zeros(25_000_000_000)", "OUT_OF_MEMORY", id="100 GB of tensor"),
        pytest.param("bytearray(10**11)", "OUT_OF_MEMORY", id="100 GB of bytes"),
        pytest.param("os._exit(0)", "CRASHED", id="leaves as if all were well"),
        pytest.param("os.abort()", "CRASHED", id="abort"),
        pytest.param("ctypes.string_at(0)", "CRASHED", id="segmentation fault"),
        pytest.param("sys.exit(0)", "RAISED", id="SystemExit"),
        pytest.param("raise KeyboardInterrupt", "RAISED", id="KeyboardInterrupt"),
        pytest.param("y = y * float('nan')", "DIVERGED", id="not a number"),
        pytest.param("self.layer.weight.data *= 1e38", "DIVERGED", id="explosion"),
        pytest.param("os.write(3, b'A' * 10**7)", "PROTOCOL", id="flood"),
        pytest.param("os.write(3, frame(b'{' * 10**5))", "PROTOCOL", id="nesting"),
        pytest.param("os.write(3, struct.pack('<IQ', 2, 2**40) + b'{}')", "PROTOCOL", id="a terabyte of tensors"),
        pytest.param("os.write(3, frame({'answers': 3, 'done': {}}))", "PROTOCOL", id="done too early"),
        pytest.param("os.write(3, frame({'answers': 9, 'done': {}}))", "PROTOCOL", id="an answer to no question"),
        pytest.param('os.write(3, frame(b\'{"answers": 3, "epoch": NaN}\'))', "PROTOCOL", id="NaN"),
        pytest.param(
            "os.write(3, frame({'answers': 3, 'epoch': {'index': 1, 'loss': 0.0}}))", "PROTOCOL", id="epoch skipped"
        ),
        pytest.param(
            "os.write(3, frame({'answers': 3, 'epoch': {'index': 0, 'loss': 10**400}}))", "PROTOCOL", id="a huge loss"
        ),
        pytest.param("os.close(3); time.sleep(1000)", "PROTOCOL", id="hangs up and goes on"),
    ],
)
def test_misbehaviour_in_training_is_a_recorded_outcome(workshop: Workshop, action: str, code: str) -> None:
    trained = workshop.train(LATE.replace("{action}", action), seed=1)
    measurement = trained.measurement
    assert measurement.failure is not None
    assert measurement.failure.code == code, measurement.failure
    assert measurement.metrics["failed"] == 1.0
    assert measurement.metrics["nonfinite"] == float(code == "DIVERGED")
    assert measurement.metrics["T_E"] is not None
    assert measurement.metrics["V_Acc"] is None
    assert code in measurement.absent["V_Acc"]
    assert trained.weights is None


@pytest.mark.parametrize(
    ("action", "code"),
    [
        pytest.param("while True: pass", "TIMED_OUT", id="endless loop"),
        pytest.param("bytearray(10**11)", "OUT_OF_MEMORY", id="memory"),
        pytest.param("os._exit(3)", "CRASHED", id="exit"),
        pytest.param("os.write(3, b'A' * 10**7)", "PROTOCOL", id="flood"),
        pytest.param(
            "os.write(3, struct.pack('<IQ', 24, 0) + b'{\"answers\":1,\"done\":{ } }')",
            "PROTOCOL",
            id="forged report",
        ),
        pytest.param(
            'report = \'{"answers":1,"done":{"report":{"ok":true,"macs":\' + \'9\' * 400\n'
            "os.write(3, struct.pack('<IQ', len(report) + 3, 0) + report.encode() + b'}}}')",
            "PROTOCOL",
            id="a huge number",
        ),
    ],
)
def test_misbehaviour_in_the_check_is_a_report(workshop: Workshop, good: str, action: str, code: str) -> None:
    source = f'import torch\nos, struct = __import__("os"), __import__("struct")\n{action}\n{good}'
    report = workshop.check(source)
    assert not report.ok
    assert report.code == code
    assert report.stage == "build"
    assert report.seconds < 10


def test_memory_of_many_small_pieces_is_limited_too(workshop: Workshop) -> None:
    action = "kept = [torch.empty(1_000_000) for _ in range(100_000)]"
    measurement = workshop.train(LATE.replace("{action}", action), seed=1).measurement
    assert measurement.failure is not None
    assert measurement.failure.code == "OUT_OF_MEMORY"


@pytest.mark.slow
def test_processor_time_is_limited_for_all_threads(toy: Dataset, quick_recipe: Recipe, good: str) -> None:
    limits = Limits(check_seconds=2)
    with Workshop(toy, quick_recipe, device="cpu", limits=limits) as opened:
        source = f"import torch\nwhile True:\n    torch.ones(500, 500) @ torch.ones(500, 500)\n{good}"
        report = opened.check(source)
    assert report.code == "TIMED_OUT"
    assert re.search(r" 2(\.\d+)? s after it was started", report.message)
    assert report.seconds < 4
