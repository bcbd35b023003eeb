"""The system call filter, run by a small interpreter: so for both architectures on any machine."""

from __future__ import annotations

import errno
import struct

import pytest

from lemonade_es.trainer.isolation.seccomp import ALLOW, ERRNO, KILL_PROCESS, program
from lemonade_es.trainer.isolation.system_calls import ARCHITECTURES, Architecture

PID = 4321
THREAD, PROCESS = 0x3D0F00, 0x01200011

both = pytest.mark.parametrize("machine", ARCHITECTURES.values(), ids=lambda machine: machine.name)


def verdict(code: bytes, audit: int, number: int, *arguments: int) -> int:
    """What the kernel would decide: loads of 32 bits, the four jumps that the filter has, and returns."""
    data = struct.pack("<IIQ6Q", number & 0xFFFFFFFF, audit, 0, *arguments, *[0] * (6 - len(arguments)))
    steps = list(struct.iter_unpack("=HBBI", code))
    accumulator = position = 0
    while True:
        operation, then, otherwise, value = steps[position]
        position += 1
        match operation:
            case 0x20:
                (accumulator,) = struct.unpack_from("<I", data, value)
                continue
            case 0x06:
                return value
            case 0x15:
                holds = accumulator == value
            case 0x35:
                holds = accumulator >= value
            case 0x45:
                holds = bool(accumulator & value)
            case _:
                raise AssertionError(f"unknown operation {operation:#x}")
        position += then if holds else otherwise


def asked(machine: Architecture, name: str, *arguments: int, cuda: bool = False) -> int:
    return verdict(program(machine, PID, cuda=cuda), machine.audit, machine.numbers[name], *arguments)


@both
@pytest.mark.parametrize("name", ["read", "write", "mmap", "futex", "exit_group", "newfstatat", "clock_nanosleep"])
def test_what_training_needs_is_allowed(machine: Architecture, name: str) -> None:
    assert asked(machine, name) == ALLOW


@both
def test_what_is_not_in_the_list_is_refused(machine: Architecture) -> None:
    code = program(machine, PID)
    allowed = {number for number in range(600) if verdict(code, machine.audit, number) == ALLOW}
    known = set(machine.numbers.values())
    assert allowed < known
    for name in ("memfd_create", "ftruncate", "seccomp", "capset", "landlock_add_rule", "mbind", "pipe2"):
        assert asked(machine, name) == ERRNO | errno.EPERM


@both
def test_another_architecture_is_the_end(machine: Architecture) -> None:
    code = program(machine, PID)
    assert verdict(code, 0x40000003, machine.numbers["read"]) == KILL_PROCESS
    if machine.foreign_abi is not None:
        assert verdict(code, machine.audit, machine.foreign_abi + machine.numbers["read"]) == KILL_PROCESS


@both
def test_threads_can_be_started_and_processes_cannot(machine: Architecture) -> None:
    assert asked(machine, "clone", THREAD) == ALLOW
    assert asked(machine, "clone", PROCESS) == ERRNO | errno.EPERM
    assert asked(machine, "clone", THREAD | 0x10000000) == ERRNO | errno.EPERM
    assert asked(machine, "clone3") == ERRNO | errno.ENOSYS


@both
@pytest.mark.parametrize(("flags", "cuda", "decided"), [(0, False, ALLOW), (0o2000000, False, ALLOW)])
def test_files_are_opened_for_reading(machine: Architecture, flags: int, cuda: bool, decided: int) -> None:
    assert asked(machine, "openat", -100 & (2**64 - 1), 0x7000, flags, cuda=cuda) == decided


@both
@pytest.mark.parametrize("flags", [0o1, 0o2, 0o100, 0o1000, 0o20200000])
def test_files_are_not_opened_for_writing(machine: Architecture, flags: int) -> None:
    assert asked(machine, "openat", 0, 0x7000, flags) == ERRNO | errno.EACCES


@both
@pytest.mark.parametrize(
    ("flags", "decided"),
    [
        (0, ALLOW),
        (0o1, ALLOW),
        (0o2, ALLOW),
        (0o100, ALLOW),
        (0o1101, ALLOW),
        (0o1002, ALLOW),
        (0o1000, ERRNO | errno.EACCES),
        (0o1003, ERRNO | errno.EACCES),
        (0o20200002, ERRNO | errno.EACCES),
    ],
)
def test_for_a_gpu_files_are_left_to_landlock_and_who_truncates_must_write(
    machine: Architecture, flags: int, decided: int
) -> None:
    assert asked(machine, "openat", 0, 0x7000, flags, cuda=True) == decided
    without = verdict(
        program(machine, PID, cuda=True, landlock=False), machine.audit, machine.numbers["openat"], 0, 0, flags
    )
    assert (without == ALLOW) is (flags in (0, 0o1, 0o2))


@both
def test_only_the_process_itself_is_signalled(machine: Architecture) -> None:
    assert asked(machine, "tgkill", PID, PID + 1, 6) == ALLOW
    assert asked(machine, "tgkill", PID - 1, PID - 1, 9) == ERRNO | errno.EPERM


@both
def test_limits_can_be_read_and_not_set(machine: Architecture) -> None:
    assert asked(machine, "prlimit64", 0, 9, 0, 0x7000) == ALLOW
    assert asked(machine, "prlimit64", PID, 9, 0, 0x7000) == ALLOW
    assert asked(machine, "prlimit64", 1, 9, 0, 0x7000) == ERRNO | errno.EPERM
    assert asked(machine, "prlimit64", 0, 9, 0x7000, 0) == ERRNO | errno.EPERM
    assert asked(machine, "prlimit64", 0, 9, 0x7F00_0000_0000, 0) == ERRNO | errno.EPERM


@both
def test_descriptors_are_duplicated_and_never_owned(machine: Architecture) -> None:
    set_owner, duplicate = 8, 1030
    assert asked(machine, "fcntl", 3, duplicate) == ALLOW
    assert asked(machine, "fcntl", 3, set_owner, 1) == ERRNO | errno.EPERM


@both
def test_a_gpu_needs_device_controls(machine: Architecture) -> None:
    nvidia_control = 0xC020462A
    assert asked(machine, "ioctl", 3, nvidia_control) == ERRNO | errno.ENOTTY
    assert asked(machine, "ioctl", 3, nvidia_control, cuda=True) == ALLOW
    assert asked(machine, "ioctl", 3, 0x5401) == ALLOW


@both
def test_the_driver_of_a_gpu_listens_and_nobody_gets_through(machine: Architecture) -> None:
    local, internet, pass_credentials, send_buffer = 1, 2, 16, 7
    stream, datagram, packets, closed_on_exec = 1, 2, 5, 0o2000000
    for name in ("socket", "bind", "listen", "connect", "setsockopt", "unlinkat"):
        assert asked(machine, name, local) == ERRNO | errno.EPERM
    for kind in (stream, packets):
        assert asked(machine, "socket", local, kind | closed_on_exec, cuda=True) == ALLOW
        assert asked(machine, "socket", internet, kind, cuda=True) == ERRNO | errno.EPERM
    assert asked(machine, "socket", local, datagram | closed_on_exec, cuda=True) == ERRNO | errno.EPERM
    assert asked(machine, "setsockopt", 3, 1, pass_credentials, cuda=True) == ALLOW
    assert asked(machine, "setsockopt", 3, 1, send_buffer, cuda=True) == ERRNO | errno.EPERM
    assert asked(machine, "connect", 3, cuda=True) == ERRNO | errno.ECONNREFUSED
    assert asked(machine, "unlinkat", -100 & (2**64 - 1), 0x7000, cuda=True) == ERRNO | errno.ENOENT
