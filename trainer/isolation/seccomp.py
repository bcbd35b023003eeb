"""The seccomp filter: the system calls that training a network needs, and no other.

An allow-list in classic BPF, made from tables; what is not in them gives ``EPERM``, and a call through
another architecture's convention ends the process. Files can be opened for reading only (Landlock says
which), threads can be started and processes cannot, and nothing can be sent to any other process.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Mapping

from lemonade_es.trainer.isolation.system_calls import Architecture

KILL_PROCESS = 0x80000000
ALLOW = 0x7FFF0000
ERRNO = 0x00050000

_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16

_SET_MODE_FILTER = 1
# all threads, and no speculative-store barrier: it would slow the arithmetic, and no secret is in the child
_TSYNC, _SPEC_ALLOW = 1, 4


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_FREELY = _names(
    """
    read write readv writev pread64 close fstat newfstatat stat lstat statx lseek getdents64 dup
    readlink readlinkat access faccessat faccessat2 getcwd poll ppoll select pselect6
    mmap mprotect munmap mremap brk madvise mincore membarrier
    rt_sigaction rt_sigprocmask rt_sigreturn sigaltstack restart_syscall
    futex set_robust_list rseq sched_yield sched_getaffinity sched_getparam sched_getscheduler getcpu
    clock_gettime clock_getres clock_nanosleep nanosleep gettimeofday time times getrusage getrlimit
    getpid getppid gettid getuid geteuid getgid getegid uname sysinfo getrandom exit exit_group
    """
)
_FREELY_WITH_CUDA = _names(
    """
    ioctl pipe2 eventfd2 mlock munlock mbind get_mempolicy set_mempolicy statfs fstatfs memfd_create ftruncate
    sched_get_priority_max sched_get_priority_min bind listen
    """
)

# what glibc and musl pass to clone() for a thread; any other flags could start a process or a namespace
_THREAD_FLAGS = (0x3D0F00, 0x7D0F00)
_READING_FCNTLS = (0, 1, 2, 3, 4, 1030)  # F_DUPFD, F_GETFD, F_SETFD, F_GETFL, F_SETFL, F_DUPFD_CLOEXEC
_ASKING_IOCTLS = (0x5401, 0x5450, 0x5451, 0x541B)  # TCGETS, FIONCLEX, FIOCLEX, FIONREAD
_NAMING_PRCTLS = (15, 16)  # PR_SET_NAME, PR_GET_NAME
_AF_UNIX = 1
_CONNECTIONLESS = 2  # the bit that SOCK_DGRAM and SOCK_RAW have, and SOCK_STREAM and SOCK_SEQPACKET have not
_TELLING_SOCKET_OPTIONS = (16,)  # SO_PASSCRED

_O_WRITES = 0o3
_O_WRITE_ONLY, _O_READ_AND_WRITE = 0o1, 0o2
_O_TRUNCATE = 0o1000
_O_TMPFILE = 0o20000000  # without O_DIRECTORY, which is part of it
_O_CREATES = 0o100 | _O_TRUNCATE | _O_TMPFILE  # O_CREAT


def program(architecture: Architecture, pid: int, *, cuda: bool = False, landlock: bool = True) -> bytes:
    """The filter as an array of ``struct sock_filter``.

    Args:
        architecture: whose numbers to use.
        pid: the process to be locked, the only one that it may signal.
        cuda: also allow what the CUDA driver needs (``ioctl``, opening its devices for writing).
        landlock: whether Landlock says which files can be created and overwritten; without it none can, and the CUDA
            driver does not start.
    """
    code = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_EQUAL, architecture.audit, then=1),
        _step(_RETURN, KILL_PROCESS),
        _step(_LOAD, _NUMBER),
    ]
    if architecture.foreign_abi is not None:
        code += [_step(_AT_LEAST, architecture.foreign_abi, otherwise=1), _step(_RETURN, KILL_PROCESS)]
    numbers = architecture.numbers
    for name in (*_FREELY, *(_FREELY_WITH_CUDA if cuda else ())):
        if name in numbers:
            code += [_step(_EQUAL, numbers[name], otherwise=1), _step(_RETURN, ALLOW)]
    for name, body in _conditions(pid, cuda=cuda, landlock=landlock).items():
        if name in numbers:
            code += [_step(_EQUAL, numbers[name], otherwise=len(body)), *body]
    code.append(_step(_RETURN, ERRNO | errno.EPERM))
    return b"".join(code)


def _conditions(pid: int, *, cuda: bool, landlock: bool) -> Mapping[str, list[bytes]]:
    def opens(argument: int) -> list[bytes]:
        if cuda and landlock:
            return _opens_for_driver(argument)
        return _without_bits(argument, _O_CREATES if cuda else _O_CREATES | _O_WRITES, errno.EACCES)

    return {
        **(_for_driver() if cuda else {}),
        "open": opens(1),
        "openat": opens(2),
        "clone": _one_of(0, _THREAD_FLAGS, errno.EPERM),
        "clone3": [_step(_RETURN, ERRNO | errno.ENOSYS)],  # glibc falls back to clone, whose flags can be seen
        "tgkill": _one_of(0, (pid,), errno.EPERM),
        "fcntl": _one_of(1, _READING_FCNTLS, errno.EPERM),
        "ioctl": _one_of(1, _ASKING_IOCTLS, errno.ENOTTY),
        "prctl": _one_of(0, _NAMING_PRCTLS, errno.EINVAL),
        "prlimit64": _reads_own_limit(pid),
    }


def _for_driver() -> Mapping[str, list[bytes]]:
    """What the CUDA driver does, or does not start; seen with version 580.

    It listens on a socket, for processes that share memory with it: none gets through, for connecting and accepting
    are refused, and so are sockets that take messages without either. It removes files before it makes them: there
    are none. It names its threads by files, which is why files can be opened for creation.
    """
    return {
        "socket": [
            _low_half(0),
            _step(_EQUAL, _AF_UNIX, otherwise=2),
            _low_half(1),
            _step(_ANY_BIT, _CONNECTIONLESS, otherwise=1),
            _step(_RETURN, ERRNO | errno.EPERM),
            _step(_RETURN, ALLOW),
        ],
        "setsockopt": _one_of(2, _TELLING_SOCKET_OPTIONS, errno.EPERM),
        "connect": [_step(_RETURN, ERRNO | errno.ECONNREFUSED)],
        "unlink": [_step(_RETURN, ERRNO | errno.ENOENT)],
        "unlinkat": [_step(_RETURN, ERRNO | errno.ENOENT)],
    }


def _step(code: int, value: int, *, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("=HBBI", code, then, otherwise, value)


def _low_half(argument: int) -> bytes:
    return _step(_LOAD, _ARGUMENTS + 8 * argument)


def _one_of(argument: int, values: tuple[int, ...], error: int) -> list[bytes]:
    tests = [_step(_EQUAL, value, then=len(values) - index) for index, value in enumerate(values)]
    return [_low_half(argument), *tests, _step(_RETURN, ERRNO | error), _step(_RETURN, ALLOW)]


def _without_bits(argument: int, bits: int, error: int) -> list[bytes]:
    return [
        _low_half(argument),
        _step(_ANY_BIT, bits, otherwise=1),
        _step(_RETURN, ERRNO | error),
        _step(_RETURN, ALLOW),
    ]


def _opens_for_driver(argument: int) -> list[bytes]:
    """Files may be created and overwritten as far as Landlock lets them be.

    Landlock before its version 3 does not ask about truncation, but about writing: so who truncates must write.
    """
    return [
        _low_half(argument),
        _step(_ANY_BIT, _O_TMPFILE, then=4),
        _step(_ANY_BIT, _O_TRUNCATE, otherwise=4),
        _step(_ANY_BIT, _O_WRITE_ONLY, otherwise=1),
        _step(_ANY_BIT, _O_READ_AND_WRITE, then=1, otherwise=2),
        _step(_ANY_BIT, _O_READ_AND_WRITE, then=1),
        _step(_RETURN, ERRNO | errno.EACCES),
        _step(_RETURN, ALLOW),
    ]


def _reads_own_limit(pid: int) -> list[bytes]:
    """``prlimit64`` on oneself, with a null pointer for the new limit (both halves of it)."""
    return [
        _low_half(0),
        _step(_EQUAL, 0, then=1),
        _step(_EQUAL, pid, otherwise=4),
        _low_half(2),
        _step(_EQUAL, 0, otherwise=2),
        _step(_LOAD, _ARGUMENTS + 8 * 2 + 4),
        _step(_EQUAL, 0, then=1),
        _step(_RETURN, ERRNO | errno.EPERM),
        _step(_RETURN, ALLOW),
    ]


class _Program(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))


def install(architecture: Architecture, code: bytes) -> None:
    """Puts the filter on this process, for good.

    Raises:
        OSError: the kernel refused it (no seccomp, or ``no_new_privs`` is not set).
    """
    buffer = ctypes.create_string_buffer(code, len(code))
    described = _Program(len(code) // 8, ctypes.addressof(buffer))
    libc = ctypes.CDLL(None, use_errno=True)
    number = architecture.numbers["seccomp"]
    if libc.syscall(number, _SET_MODE_FILTER, _TSYNC | _SPEC_ALLOW, ctypes.byref(described)) != 0:
        raise OSError(ctypes.get_errno(), f"seccomp: {os.strerror(ctypes.get_errno())}")
