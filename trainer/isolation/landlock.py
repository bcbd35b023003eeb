"""Landlock: which files a process can still open, and no network, by the kernel's own rules."""

from __future__ import annotations

import ctypes
import os
import struct
from collections.abc import Iterable
from pathlib import Path

from lemonade_es.trainer.isolation.system_calls import Architecture

_VERSION_FLAG = 1
_PATH_BENEATH = 1

_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_FIRST_RIGHTS = (1 << 13) - 1
_REFER, _TRUNCATE, _IOCTL_DEVICE = 1 << 13, 1 << 14, 1 << 15
_TCP_BIND_AND_CONNECT = 3
_ABSTRACT_SOCKETS_AND_SIGNALS = 3


def version(architecture: Architecture) -> int:
    """The kernel's Landlock version; 0 where there is none."""
    libc = ctypes.CDLL(None, use_errno=True)
    number = architecture.numbers["landlock_create_ruleset"]
    return max(0, int(libc.syscall(number, None, ctypes.c_size_t(0), _VERSION_FLAG)))


def ruleset(
    architecture: Architecture,
    *,
    readable: Iterable[Path],
    listed: Iterable[Path] = (),
    devices: Iterable[Path] = (),
    overwritten: Iterable[Path] = (),
) -> int:
    """What is left to whoever takes it: the given trees for reading, and nothing else that the kernel can restrict.

    That is execution, writing, TCP from Landlock's version 4, signals and abstract sockets from version 6. Making a
    ruleset restricts nobody; many may take the same one.

    Args:
        architecture: whose numbers to use.
        readable: files, and directories with all below them; those that do not exist are passed over.
        listed: directories that may be listed, with all below them, while the files in them stay shut.
        devices: device files that may also be written and controlled.
        overwritten: trees in which files that exist may also be written.

    Returns:
        Its descriptor.

    Raises:
        OSError: the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    numbers = architecture.numbers
    have = version(architecture)
    files = _FIRST_RIGHTS
    files |= (_REFER if have >= 2 else 0) | (_TRUNCATE if have >= 3 else 0) | (_IOCTL_DEVICE if have >= 5 else 0)
    network = _TCP_BIND_AND_CONNECT if have >= 4 else 0
    scoped = _ABSTRACT_SOCKETS_AND_SIGNALS if have >= 6 else 0
    # an older kernel takes only the fields that it knows
    attributes = struct.pack("=QQQ", files, network, scoped)[: 8 if have < 4 else 16 if have < 6 else 24]
    made = int(libc.syscall(numbers["landlock_create_ruleset"], attributes, ctypes.c_size_t(len(attributes)), 0))
    if made < 0:
        raise _failure("landlock_create_ruleset")
    try:
        rights = [(path, _READ_FILE | _READ_DIR) for path in readable]
        rights += [(path, _READ_DIR) for path in listed]
        rights += [(path, _READ_FILE | _WRITE_FILE | _IOCTL_DEVICE) for path in devices]
        rights += [(path, _READ_FILE | _READ_DIR | _WRITE_FILE | _TRUNCATE) for path in overwritten]
        for path, wanted in rights:
            _allow(libc, numbers["landlock_add_rule"], made, path, wanted & files)
    except BaseException:
        os.close(made)
        raise
    return made


def restrict(architecture: Architecture, made: int) -> None:
    """Leaves this thread, and all that it starts, only what a ruleset says.

    It binds the calling thread alone, so call it while there is no other.

    Args:
        architecture: whose numbers to use.
        made: descriptor of the ruleset.

    Raises:
        OSError: the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.syscall(architecture.numbers["landlock_restrict_self"], made, 0) != 0:
        raise _failure("landlock_restrict_self")


def _allow(libc: ctypes.CDLL, number: int, ruleset: int, path: Path, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        if not path.is_dir():
            rights &= ~_READ_DIR
        if libc.syscall(number, ruleset, _PATH_BENEATH, struct.pack("=Qi", rights, descriptor), 0) != 0:
            raise _failure(f"landlock_add_rule {path}")
    finally:
        os.close(descriptor)


def _failure(what: str) -> OSError:
    return OSError(ctypes.get_errno(), f"{what}: {os.strerror(ctypes.get_errno())}")
