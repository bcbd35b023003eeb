"""Where a zygote lives: how its process is started behind a wall, or none, and how its control socket is reached."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from lemonade_es.errors import IsolationError
from lemonade_es.trainer.isolation import package_folders

# -P and -s keep foreign folders off the path as -I would, but let the hash seed be fixed, and the path be told
ZYGOTE = (sys.executable, "-P", "-s", "-m", "lemonade_es.trainer.isolation.zygote")
"""The zygote's command; its control socket, a descriptor's number or a path, comes last."""

_PACKAGE = Path(__file__).absolute().parents[2]
_SYSTEM_FOLDERS = ("bin", "sbin", "lib", "lib32", "lib64")
_GPU_DEVICES = ("nvidia*", "dxg")
_AMD_DEVICES = ("kfd", "dri")  # the second one also belongs to screens, so it comes with the first alone


@dataclass(frozen=True, slots=True)
class Launch:
    """A zygote that has been started.

    Attributes:
        process: itself, or the program that stands between.
        reach: the parent's end of the control socket; it takes a deadline on :func:`time.monotonic`'s clock and
            raises ``DeadlinePassedError``, or ``ConnectionError`` if the process has ended.
        leave: ends what the end of ``process`` does not end, and tidies up; it may be called twice.
    """

    process: subprocess.Popen[bytes]
    reach: Callable[[float], socket.socket]
    leave: Callable[[], None]


Housing = Callable[[IO[bytes]], Launch]
"""Starts a zygote whose standard error goes to a file; it raises ``IsolationError`` or ``OSError``."""


@dataclass(frozen=True, slots=True)
class Beside:
    """A process of this machine that inherits its control socket.

    Attributes:
        wrapper: a command that takes the zygote's command at its end and hands its descriptors on.
    """

    wrapper: tuple[str, ...] = ()

    def __call__(self, errors: IO[bytes]) -> Launch:
        """Starts it."""
        try:
            ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        except (OSError, AttributeError) as error:
            raise IsolationError(
                f"the process that trains candidates needs Linux: {error}",
                hint="run the command on Linux: in WSL, a virtual machine or a container",
            ) from None
        with theirs:
            process = started([*self.wrapper, *ZYGOTE, str(theirs.fileno())], errors, keep=(theirs.fileno(),))
        return Launch(process, lambda _: ours, lambda: None)


def started(
    command: Sequence[str],
    errors: IO[bytes],
    *,
    keep: Sequence[int] = (),
    environment: Mapping[str, str] | None = None,
) -> subprocess.Popen[bytes]:
    """A process in a session of its own, with nothing of ours but the descriptors to keep.

    Args:
        command: what to start.
        errors: takes its standard error.
        keep: descriptors that it inherits.
        environment: in place of the clean one.
    """
    return subprocess.Popen(
        command,
        env=clean_environment() if environment is None else environment,
        cwd="/",
        pass_fds=keep,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=errors,
        start_new_session=True,
    )


def ended(process: subprocess.Popen[bytes]) -> None:
    """Kills what was :func:`started`, and all that has not left its session.

    Bubblewrap ties the process inside to its own end only after a while; killed before, it leaves that one waiting.
    """
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


def clean_environment() -> dict[str, str]:
    """What the zygote needs, and nothing else of ours: the environment holds keys and tokens."""
    kept = ("CUDA_VISIBLE_DEVICES", "CUDA_DEVICE_ORDER", "LD_LIBRARY_PATH")
    return {
        **{name: os.environ[name] for name in kept if name in os.environ},
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "HOME": "/nonexistent",
        "PYTHONPATH": os.pathsep.join(map(str, package_folders.search_path(_PACKAGE.parent))),
        "LOGNAME": "nobody",  # PyTorch asks who it is, and behind a wall no list of users can be read
        "LANG": "C.UTF-8",
        "PYTHONHASHSEED": "0",
        "OMP_NUM_THREADS": "1",
        "MKL_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        # Threads wait for each other some microseconds awake: asleep at once, two of them train a network up to a
        # quarter slower, and awake for long, they would take the time of whoever else computes.
        "OMP_WAIT_POLICY": "PASSIVE",
        "GOMP_SPINCOUNT": "5000",
        # else glibc gives back the memory of each step's activations, and fetches it again page by page
        "MALLOC_MMAP_THRESHOLD_": str(32 << 20),
        "MALLOC_TRIM_THRESHOLD_": str(4 << 30),
        "MALLOC_TOP_PAD_": str(64 << 20),
        # what a layer wrote long ago is fetched from memory, through huge pages up to 10 % faster
        "GLIBC_TUNABLES": "glibc.malloc.hugetlb=1",
        "CUDA_CACHE_DISABLE": "1",
        "CUBLAS_WORKSPACE_CONFIG": ":4096:8",
    }


def furniture(*, gpu: bool) -> list[Path]:
    """What the zygote must see of this machine, read-only: the system's libraries, Python, its packages, this one.

    Folders come before what lies in them. The root and the home folder are never among them, whatever Python says
    its prefix is.

    Args:
        gpu: also what a GPU's driver reads.
    """
    prefixes = [Path(prefix) for prefix in (sys.base_prefix, sys.prefix, sys.base_exec_prefix, sys.exec_prefix)]
    # an editable installation is a tree of links: the links' folder, and where the trainer's link leads
    package = [_PACKAGE, (_PACKAGE / "trainer").resolve()]
    packages = package_folders.added_folders()
    wanted = [Path("/usr"), *prefixes, *packages, *(path.resolve() for path in (*prefixes, *packages)), *package]
    # without these two, NNPACK takes the processor for an unsupported one, and libraries are searched for slowly
    wanted += [Path("/etc/ld.so.cache"), Path("/sys/devices/system/cpu")]
    if gpu:
        wanted += [Path("/sys"), *driver_folders()]
    too_much = (Path("/"), Path(os.environ.get("HOME", "/")))
    kept: list[Path] = []
    for path in sorted({path for path in wanted if path.is_absolute() and path.exists()}):
        if path not in too_much and not any(path.is_relative_to(above) for above in kept):
            kept.append(path)
    return kept


def system_links() -> dict[Path, Path]:
    """The folders beside ``/usr``, and where each leads: to its own place in old systems, into ``/usr`` in others."""
    folders = [folder for name in _SYSTEM_FOLDERS if (folder := Path("/", name)).exists()]
    return {folder: folder.readlink() if folder.is_symlink() else folder for folder in folders}


def driver_folders() -> list[Path]:
    """Where a GPU's driver may have its libraries: what the loader is told to search, and folders of containers."""
    searched = map(Path, filter(None, os.environ.get("LD_LIBRARY_PATH", "").split(":")))
    return [*searched, Path("/usr/local/nvidia/lib64"), Path("/usr/local/nvidia/lib"), Path("/run/opengl-driver/lib")]


def gpu_devices() -> list[Path]:
    """The device files of this machine's GPUs."""
    patterns = (*_GPU_DEVICES, *(_AMD_DEVICES if Path("/dev/kfd").exists() else ()))
    return sorted(path for pattern in patterns for path in Path("/dev").glob(pattern))
