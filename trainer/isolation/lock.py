"""The lock: what a child gives up, for good, before it sees the candidate."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import struct
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path

from lemonade_es.trainer.isolation import landlock, package_folders, seccomp
from lemonade_es.trainer.isolation.housing import driver_folders, gpu_devices
from lemonade_es.trainer.isolation.system_calls import Architecture, this_architecture

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 1, 4, 38
_CAPABILITY_VERSION_3 = 0x20080522
_DRIVER_LIBRARIES = ("libcuda*.so*", "libnvidia-*.so*")
_OPEN_FILES = 256
_GRACE_SECONDS = 5


@dataclass(frozen=True, slots=True)
class Policy:
    """How tightly to lock.

    Attributes:
        confine: Landlock, seccomp and no capabilities; without it only the limits.
        memory_bytes: address space that may be added to what the process has now; ``None`` is no limit
            (CUDA reserves far more than it uses).
        cpu_seconds: processor time of all threads together.
        cuda: leave the way to the GPU open.
        landlock: whether Landlock is part of it; a container may do without on kernels that have none.
        packages: installed packages that may be read besides those that the zygote has imported.
    """

    confine: bool
    memory_bytes: int | None
    cpu_seconds: int
    cuda: bool = False
    landlock: bool = True
    packages: tuple[str, ...] = ()


def shared_ruleset(policy: Policy) -> int | None:
    """The descriptor of the Landlock ruleset that all children of a process can share, if the policy has such a one.

    With CUDA each child makes its own: the driver reads ``/proc/self``, and that must not be the zygote's.

    Raises:
        OSError: the kernel refused it.
    """
    return _ruleset(policy) if policy.confine and policy.landlock and not policy.cuda else None


def lock(policy: Policy, *, parent: int, rules: int | None) -> None:
    """Locks this process.

    Args:
        policy: how tightly.
        parent: pid of the process whose end must be the end of this one.
        rules: what :func:`shared_ruleset` gave for the policy.

    Raises:
        OSError: a step was refused; the candidate must not run then.
    """
    _limit(policy)
    if sys.platform == "linux":
        _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # it ended before we asked to be told
            os._exit(1)
        _prctl(_PR_SET_NO_NEW_PRIVS, 1)
        _prctl(_PR_SET_DUMPABLE, 0)
    if policy.confine:
        _confine(policy, rules)


def _limit(policy: Policy) -> None:
    cpu = resource.getrlimit(resource.RLIMIT_CPU)[1]
    wanted = policy.cpu_seconds if cpu == resource.RLIM_INFINITY else min(policy.cpu_seconds, cpu)
    hard = wanted + _GRACE_SECONDS if cpu == resource.RLIM_INFINITY else cpu
    resource.setrlimit(resource.RLIMIT_CPU, (wanted, hard))
    for kind in (resource.RLIMIT_CORE, resource.RLIMIT_FSIZE):
        resource.setrlimit(kind, (0, 0))
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    files = _OPEN_FILES if most == resource.RLIM_INFINITY else min(_OPEN_FILES, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    if policy.memory_bytes is not None:
        total = _address_space() + policy.memory_bytes
        resource.setrlimit(resource.RLIMIT_AS, (total, total))


def _address_space() -> int:
    """Bytes of address space in use: torch's libraries alone reserve gigabytes; 0 where it cannot be told."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    except OSError:
        return 0
    return pages * resource.getpagesize()


def _confine(policy: Policy, rules: int | None) -> None:
    architecture = _architecture()
    threads = len(list(Path("/proc/self/task").iterdir()))
    if threads != 1:  # Landlock binds the calling thread alone
        raise OSError(f"the process has {threads} threads and must have one to be locked")
    if policy.landlock:
        rules = _ruleset(policy) if rules is None else rules
        landlock.restrict(architecture, rules)
        os.close(rules)
    _drop_capabilities(architecture)
    seccomp.install(
        architecture, seccomp.program(architecture, os.getpid(), cuda=policy.cuda, landlock=policy.landlock)
    )


def _ruleset(policy: Policy) -> int:
    cuda = policy.cuda
    readable = _readable(cuda=cuda, packages=policy.packages)
    # An import looks a package up in a list of its folder, which is read again when anything was installed there since.
    listed = [path for path in sorted(package_folders.folders()) if os.access(path, os.R_OK)]
    # the driver names its threads there, and does not start where it cannot
    names = [Path("/proc/self/task")] if cuda else []
    return landlock.ruleset(
        _architecture(), readable=readable, listed=listed, devices=_devices(cuda=cuda), overwritten=names
    )


def _architecture() -> Architecture:
    architecture = this_architecture()
    if architecture is None:
        raise OSError("there is no system call filter for this processor")
    return architecture


def _readable(*, cuda: bool, packages: tuple[str, ...]) -> list[Path]:
    """What Python and torch load late: their own code and libraries, and what the processor is.

    Not all of site-packages: scikit-learn's holds the data set that a candidate may be trained on, labels and all.
    """
    libraries = {Path(prefix) / lib for prefix in (sys.base_prefix, "/", "/usr") for lib in ("lib", "lib64")}
    standard = {Path(sysconfig.get_path(kind)) for kind in ("stdlib", "platstdlib")}
    paths = {path for folder in libraries | standard for path in _entries(folder) if not _holds_packages(path)}
    paths |= {path for folder in package_folders.folders() for path in _entries(folder) if _is_at_hand(path, packages)}
    system = map(Path, ("/etc/ld.so.cache", "/dev/null"))
    # without these two, NNPACK takes the processor for an unsupported one
    processor = map(Path, ("/proc/cpuinfo", "/sys/devices/system/cpu"))
    return [*sorted(paths), *system, *processor, *(_driver_files() if cuda else ())]


def _driver_files() -> list[Path]:
    """What a GPU's driver reads beside its devices; its libraries may lie in folders of their own."""
    told = map(Path, ("/proc/driver/nvidia", "/proc/devices", "/proc/self", "/sys/bus/pci", "/sys/devices"))
    profiles = map(Path, ("/etc/nvidia", "/usr/share/nvidia"))
    libraries = (path for folder in driver_folders() for name in _DRIVER_LIBRARIES for path in folder.glob(name))
    return [*told, *profiles, *sorted(libraries)]


def _entries(folder: Path) -> list[Path]:
    try:
        return list(folder.iterdir())
    except OSError:  # there is no lib64 everywhere
        return []


def _holds_packages(path: Path) -> bool:
    """Whether installed packages may lie below: ``lib/python3.11`` does, and its entries are listed one by one."""
    return path.name in package_folders.NAMES or path.name.startswith("python")


def _is_at_hand(path: Path, packages: tuple[str, ...]) -> bool:
    """Whether it belongs to a package that the zygote has imported or that is named, or holds libraries of one."""
    name = path.name.split(".")[0]
    # torchao-0.18.0.dist-info: some ask for their own version
    return name in sys.modules or name.split("-")[0] in packages or path.name.endswith(".libs") or name == "nvidia"


def _devices(*, cuda: bool) -> list[Path]:
    return [Path("/dev/null"), *(gpu_devices() if cuda else ())]


def _drop_capabilities(architecture: Architecture) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    header = struct.pack("=Ii", _CAPABILITY_VERSION_3, 0)
    if libc.syscall(architecture.numbers["capset"], header, bytes(24)) != 0:
        raise OSError(ctypes.get_errno(), f"capset: {os.strerror(ctypes.get_errno())}")


def _prctl(option: int, value: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    zero = ctypes.c_ulong(0)
    if libc.prctl(option, ctypes.c_ulong(value), zero, zero, zero) != 0:
        raise OSError(ctypes.get_errno(), f"prctl {option}: {os.strerror(ctypes.get_errno())}")
