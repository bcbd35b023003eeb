"""Where an attack meets a level of isolation, or none, and what can be seen of it from outside."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy
import psutil
from attack import Attack, Outcome
from scene import Scene, named

from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.workshop import Workshop

WorkshopAt = Callable[[str], Workshop]
"""Gives the workshop of a level."""

HONEST = """
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(192, 4)

    def forward(self, x):
        return self.layer(x.flatten(1))
"""


class Watch:
    """Looks at the processes that carry a name, again and again, until the block is left."""

    def __init__(self, marker: str) -> None:
        self._marker = marker
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._look)
        self.processes = self.threads = self.resident = 0

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._stop.wait(0.02):
            found = named(self._marker)
            self.processes = max(self.processes, len(found))
            for pid in found:
                with contextlib.suppress(psutil.Error):
                    process = psutil.Process(pid)
                    self.threads = max(self.threads, process.num_threads())
                    self.resident = max(self.resident, process.memory_info().rss)


def zygotes() -> set[int]:
    """The zygotes of this process, those inside a sandbox too."""
    found = set()
    for child in psutil.Process().children(recursive=True):
        with contextlib.suppress(psutil.Error):
            if "isolation.zygote" in " ".join(child.cmdline()):
                found.add(child.pid)
    return found


def confront(attack: Attack, scene: Scene, workshop: Workshop) -> Outcome:
    """Lets a workshop have the candidate, and looks on."""
    source = attack.candidate(scene)
    if attack.again == "same":
        _ = workshop.train(source, seed=1) if attack.trains else workshop.check(source)
    before, memory = zygotes(), psutil.Process().memory_info().rss
    with Watch(scene.marker) as watch:
        started = time.monotonic()
        if attack.trains:
            trained = workshop.train(source, seed=1)
            failure = trained.measurement.failure
            said, code = (failure.message, failure.code) if failure else ("", None)
            metrics, weights = dict(trained.measurement.metrics), trained.weights
        else:
            report = workshop.check(source)
            said, code, metrics, weights = report.message or "", report.code, {}, None
        seconds = time.monotonic() - started
    if attack.again == "honest":
        metrics["next"] = workshop.train(HONEST, seed=1).measurement.metrics["T_Acc"]
    return Outcome(
        said=said,
        code=code,
        seconds=seconds,
        metrics=metrics,
        weights=weights,
        processes=watch.processes,
        threads=watch.threads,
        resident=watch.resident,
        left=scene.stop_by_name(),
        restarted=not before <= zygotes(),
        grown=psutil.Process().memory_info().rss - memory,
    )


def bare(attack: Attack, scene: Scene) -> Outcome:
    """Lets the action run in a process that nothing confines but bounds for the machine's sake."""
    command = [sys.executable, "-I", "-c", attack.script(scene)]
    if attack.control == "contained":
        bwrap = shutil.which("bwrap")
        assert bwrap is not None
        command = [bwrap, "--dev-bind", "/", "/", "--unshare-pid", "--proc", "/proc", "--die-with-parent", *command]
    ours, theirs = socket.socketpair()
    memory = psutil.Process().memory_info().rss
    with ours, theirs, Watch(scene.marker) as watch:
        piped = attack.control == "pipe"
        inherited = os.open(scene.secret, os.O_RDONLY) if attack.control == "heir" else theirs.fileno()
        started = time.monotonic()
        process = subprocess.Popen(
            [*command, str(theirs.fileno()) if piped else "-"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=(inherited,) if attack.control in ("heir", "pipe") else (),
            start_new_session=True,
        )
        theirs.close()
        if attack.control == "heir":
            os.close(inherited)
        frames = _naively_read(ours, started + attack.bare_seconds) if piped else ()
        said, status = _heard(process, started + attack.bare_seconds)
        took = time.monotonic() - started
        left = len([pid for pid in named(scene.marker) if pid != process.pid])
    return Outcome(
        said=said,
        code=None,
        seconds=took,
        status=status,
        processes=watch.processes,
        threads=watch.threads,
        resident=watch.resident,
        left=left,
        grown=psutil.Process().memory_info().rss - memory,
        frames=frames,
    )


class Naive:
    """A training script as there are many: candidate, data, labels, scoring and clock are in one process.

    Args:
        dataset: what it trains on.
        folder: for the data's file.
    """

    def __init__(self, dataset: Dataset, folder: Path) -> None:
        file = folder / "data.npz"
        numpy.savez(
            file,
            train=dataset.train,
            train_labels=dataset.train_labels,
            validation=dataset.validation,
            validation_labels=dataset.validation_labels,
        )
        self._process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("naive.py")), str(file)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, attack: Attack, scene: Scene) -> Outcome:
        """What the script says of a candidate."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        job = {"source": attack.candidate(scene), "next": HONEST if attack.again else None}
        self._process.stdin.write(json.dumps(job) + "\n")
        self._process.stdin.flush()
        said = json.loads(self._process.stdout.readline())
        return Outcome(said=said.pop("said", ""), code=None, seconds=0.0, metrics=said)

    def close(self) -> None:
        """Ends the script."""
        self._process.kill()
        self._process.communicate()


def _heard(process: subprocess.Popen[bytes], until: float) -> tuple[str, int | None]:
    """What a process writes until it ends, or the time is up and it is ended: after SIGTERM, as users do."""
    assert process.stdout is not None
    said = b""
    with process.stdout as stream:
        while len(said) < 8 << 20 and select.select([stream], [], [], max(0.0, until - time.monotonic()))[0]:
            if not (chunk := os.read(stream.fileno(), 1 << 20)):
                break
            said += chunk
    status = None
    with contextlib.suppress(subprocess.TimeoutExpired):
        status = process.wait(max(0.0, until - time.monotonic()))
    if status is None:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = process.wait(0.5)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    return said.decode(errors="replace"), status


def _naively_read(pipe: socket.socket, until: float) -> tuple[tuple[object, bytes], ...]:
    """Frames as a reader takes them that trusts what it reads: no bounds, and any JSON."""
    frames: list[tuple[object, bytes]] = []
    pipe.settimeout(max(0.1, until - time.monotonic()))
    with contextlib.suppress(OSError, EOFError):
        while len(frames) < 3:
            length, tensors = struct.unpack("<IQ", _exactly(pipe, 12))
            text = _exactly(pipe, length)
            try:
                message = json.loads(text)
            except (ValueError, RecursionError) as error:
                message = error
            frames.append((message, _exactly(pipe, tensors)))
    return tuple(frames)


def _exactly(pipe: socket.socket, count: int) -> bytes:
    data = bytearray()
    while len(data) < count:
        if not (chunk := pipe.recv(min(1 << 20, count - len(data)))):
            raise EOFError
        data += chunk
    return bytes(data)
