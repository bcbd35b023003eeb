"""Canaries: forbidden things that a locked child really tries, so that a level is what holds and not what is hoped.

The child's side. It is our own code, and it says truthfully what it could do; the parent checks what it can see itself.
"""

from __future__ import annotations

import mmap
import os
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

from lemonade_es.trainer.isolation.protocol import Channel, ChannelClosedError

_CONNECT_SECONDS = 1.0


def serve(channel: Channel) -> None:
    """Tries what the parent names, until it closes the channel; a refusal of the system is told in its own words."""
    while True:
        try:
            command = channel.receive().message
        except ChannelClosedError:
            return
        try:
            blocked = None
            worked = _ATTEMPTS[command["do"]](command)
        except (OSError, MemoryError) as error:
            blocked = f"{type(error).__name__}: {error}"
            worked = ""
        channel.send({"answers": command["number"], "done": {"blocked": blocked, "worked": worked}})


def _read(told: Mapping[str, Any]) -> str:
    return Path(told["secret"]).read_text(encoding="ascii")


def _stat(told: Mapping[str, Any]) -> str:
    return f"it has {Path(told['secret']).stat().st_size} bytes"


def _read_program(_: Mapping[str, Any]) -> str:
    """A file that stands beside what Python needs, also behind walls: only Landlock refuses it."""
    program = Path(sys.executable).resolve()
    with program.open("rb") as file:
        return f"{len(file.read(64))} bytes of {program}"


def _environment(told: Mapping[str, Any]) -> str:
    def read(path: Path) -> str:
        return f"{len(path.read_bytes())} bytes of {path}"

    return _first_that_works(read, [Path(f"/proc/{pid}/environ") for pid in (told["pid"], 1)])


def _write(told: Mapping[str, Any]) -> str:
    def create(folder: Path) -> str:
        path = folder / f"lemonade-canary-{os.getpid()}"
        path.touch(exist_ok=False)
        path.unlink()
        return str(path)

    folders = [Path(told["secret"]).parent, Path("/tmp"), Path("/dev/shm"), Path("/")]  # noqa: S108  (tried, not used)
    return _first_that_works(create, folders)


def _connect(told: Mapping[str, Any]) -> str:
    with socket.create_connection(("127.0.0.1", told["port"]), _CONNECT_SECONDS) as connected:
        return f"connected to {connected.getpeername()}"


def _fork(_: Mapping[str, Any]) -> str:
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    os.waitpid(pid, 0)
    return f"process {pid}"


def _memory(told: Mapping[str, Any]) -> str:
    mmap.mmap(-1, told["bytes"]).close()
    return f"{told['bytes']} bytes"


def _execute(_: Mapping[str, Any]) -> str:
    """If it works, there is nobody left to answer."""
    os.execv(sys.executable, [sys.executable, "-I", "-S", "-c", ""])  # noqa: S606


_ATTEMPTS: Mapping[str, Callable[[Mapping[str, Any]], str]] = MappingProxyType(
    {
        "read": _read,
        "stat": _stat,
        "read program": _read_program,
        "environment": _environment,
        "write": _write,
        "connect": _connect,
        "fork": _fork,
        "memory": _memory,
        "execute": _execute,
    }
)


def _first_that_works(action: Callable[[Path], str], places: list[Path]) -> str:
    """What the first success gives, or the last refusal."""
    refusal = OSError("there is nothing to try")
    for place in places:
        try:
            return action(place)
        except OSError as error:
            refusal = error
    raise refusal
