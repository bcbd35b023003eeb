"""Bubblewrap: a zygote in namespaces of its own, with no network, no home, no other process, and read-only files."""

from __future__ import annotations

import re
import shutil
import subprocess

from lemonade_es.trainer.isolation.housing import Beside, clean_environment, furniture, gpu_devices, system_links

_SECONDS = 10.0
_LATE = 124  # as of the program "timeout"
_WALLS = (
    *("--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--cap-drop", "ALL"),
    *("--uid", "65534", "--gid", "65534", "--hostname", "lemonade"),
)
# the first version that can keep namespaces from being made inside
_NO_NAMESPACES_SINCE = (0, 8)


def missing() -> str | None:
    """Why bubblewrap cannot be used, or ``None`` if it can: an empty program is run in it."""
    program = shutil.which("bwrap")
    if program is None:
        return "bubblewrap is not installed (there is no bwrap on the PATH)"
    tried = _said(program, *_walls(program), "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--", "true")
    if tried.returncode == 0:
        return None
    if tried.returncode == _LATE:
        return f"bubblewrap has not run an empty program within {_SECONDS:.0f} s; the machine may only be busy"
    said = tried.stderr.strip().splitlines() or [f"exit code {tried.returncode}"]
    return f"bubblewrap is not allowed to work here: {said[-1][:200]}"


def housing(*, gpu: bool) -> Beside:
    """Where a zygote lives inside bubblewrap.

    Args:
        gpu: whether the devices of the GPUs, and what their driver reads, come along.
    """
    program = shutil.which("bwrap") or "bwrap"
    files = ["--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"]  # noqa: S108  (a place inside, and empty)
    for path in furniture(gpu=gpu):
        files += ["--ro-bind", str(path), str(path)]
    for folder, target in system_links().items():
        files += (
            ["--ro-bind", str(folder), str(folder)] if folder == target else ["--symlink", str(target), str(folder)]
        )
    for device in gpu_devices() if gpu else ():
        files += ["--dev-bind", str(device), str(device)]
    return Beside((program, *_walls(program), *files, "--remount-ro", "/", "--chdir", "/", "--"))


def _walls(program: str) -> tuple[str, ...]:
    found = re.search(r"(\d+)\.(\d+)", _said(program, "--version").stdout)
    # one that does not tell its version is taken at its best: if it is older, it refuses, and that is told
    version = tuple(map(int, found.groups())) if found else _NO_NAMESPACES_SINCE
    return (*_WALLS, "--disable-userns") if version >= _NO_NAMESPACES_SINCE else _WALLS


def _said(*command: str) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(
            command, env=clean_environment(), capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, _LATE, "", "")
    except OSError as error:
        return subprocess.CompletedProcess(command, 1, "", str(error))
