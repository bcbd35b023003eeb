"""A container of docker or podman as the zygote's house, for machines without bubblewrap; only where it is asked for.

Descriptors cannot be inherited through a container's daemon, so the control socket has a name in a folder that only
the parent and the container see; all other descriptors are passed through it.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import select
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lemonade_es.errors import IsolationError
from lemonade_es.trainer.isolation.housing import ZYGOTE, Launch, clean_environment, furniture, gpu_devices, started
from lemonade_es.trainer.isolation.protocol import DeadlinePassedError

IMAGE = "debian:stable-slim"
"""The default image; all that matters of it is that it is small and that its ``/lib`` leads into ``/usr``."""

_ENGINES = ("docker", "podman")
_SECONDS = 20.0
_POLL_SECONDS = 0.1
_DOOR = "/run/lemonade"
_PROCESSES = 1024
_NOBODY = "65534:65534"


def missing(image: str | None) -> str | None:
    """Why no container can be had, or ``None`` if one can."""
    engine = _engine()
    if engine is None:
        return "neither docker nor podman is on the PATH"
    asked = _said(engine, "image", "inspect", image or IMAGE)
    if asked.returncode == 0:
        return None
    said = (asked.stderr.strip().splitlines() or ["it does not say why"])[-1][:200]
    name = Path(engine).name
    if "no such" in said.lower() or "not known" in said.lower():
        return f"the image {image or IMAGE} is not here; get it with: {name} pull {image or IMAGE}"
    return f"{name} does not work here: {said}"


def described(image: str | None) -> str:
    """What the container is, in words."""
    return f"a container of {image or IMAGE} by {Path(_engine() or 'docker').name}"


@dataclass(frozen=True, slots=True)
class Container:
    """Where a zygote lives inside a container.

    Attributes:
        image: what it is made from, or ``None`` for the default; Python and its packages are mounted into it.
        memory_bytes: what all its processes together may take.
        gpu: whether the devices of the GPUs come along.
    """

    image: str | None
    memory_bytes: int
    gpu: bool

    def __call__(self, errors: IO[bytes]) -> Launch:
        """Starts it."""
        engine = _engine()
        if engine is None:
            raise IsolationError("neither docker nor podman is on the PATH")
        name = f"lemonade-{secrets.token_hex(8)}"
        with contextlib.ExitStack() as stack:
            # others may not enter the outer folder; nobody inside the container must be able to enter the inner one
            door = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lemonade-")), "door")
            door.mkdir()
            door.chmod(0o755)
            listener = stack.enter_context(socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET))
            here = os.open(door, os.O_PATH)
            stack.callback(os.close, here)
            listener.bind(f"/proc/self/fd/{here}/control")  # the path of a socket must be short, and TMPDIR may not be
            (door / "control").chmod(0o666)
            listener.listen(1)
            process = started(self._command(engine, name, door), errors, environment=_engine_environment())
            tidy = stack.pop_all()

        def reach(deadline: float) -> socket.socket:
            return _visitor(listener, process, deadline)

        def leave() -> None:
            if process.poll() != 0:  # the client's end is not the container's
                _said(engine, "kill", name)
            tidy.close()

        return Launch(process, reach, leave)

    def _command(self, engine: str, name: str, door: Path) -> list[str]:
        command = [
            *(engine, "run", "--rm", "--pull", "never", "--name", name),
            *("--network", "none", "--ipc", "none", "--read-only", "--cap-drop", "ALL", "--user", _NOBODY),
            *("--security-opt", "no-new-privileges", "--pids-limit", str(_PROCESSES)),
            *("--memory", str(self.memory_bytes), "--memory-swap", str(self.memory_bytes)),
            # torch looks for libraries through a temporary file when it is imported
            *("--tmpfs", "/tmp:rw,noexec,nosuid,nodev,size=16m", "--workdir", "/"),  # noqa: S108  (inside)
            *("--volume", f"{door}:{_DOOR}"),
        ]
        for path in furniture(gpu=self.gpu):
            if not path.is_relative_to("/sys"):  # it is there, and read-only
                command += ["--volume", f"{path}:{path}:ro"]
        for device in gpu_devices() if self.gpu else ():
            command += ["--device", str(device)]
        for variable, value in clean_environment().items():
            command += ["--env", f"{variable}={value}"]
        return [*command, "--entrypoint", ZYGOTE[0], self.image or IMAGE, *ZYGOTE[1:], f"{_DOOR}/control"]


def _visitor(listener: socket.socket, process: subprocess.Popen[bytes], deadline: float) -> socket.socket:
    """The one connection that comes from inside the container."""
    poll = select.poll()
    poll.register(listener, select.POLLIN)
    while not poll.poll(_POLL_SECONDS * 1000):
        if process.poll() is not None:
            raise ConnectionResetError
        if time.monotonic() >= deadline:
            raise DeadlinePassedError
    visitor, _ = listener.accept()
    listener.close()
    return visitor


def _engine() -> str | None:
    return next(filter(None, map(shutil.which, _ENGINES)), None)


def _engine_environment() -> Mapping[str, str]:
    """How docker and podman find their daemon and their files; none of it enters the container."""
    kept = ("PATH", "HOME", "XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "DOCKER_HOST", "DOCKER_CONTEXT", "DOCKER_CONFIG")
    return {name: os.environ[name] for name in kept if name in os.environ}


def _said(*command: str) -> subprocess.CompletedProcess[str]:
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        return subprocess.run(
            command, env=_engine_environment(), capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    return subprocess.CompletedProcess(command, 1, "", f"it does not answer within {_SECONDS:.0f} s")
