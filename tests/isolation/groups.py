"""The kinds of attack that the suite must try, by theme, as the requirement lists them."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

GROUPS: Mapping[str, tuple[str, ...]] = MappingProxyType(
    {
        "read": (
            "home keys",
            "/etc/passwd",
            "environment",
            "/proc/*/environ, /proc/1/root",
            "symlinks in output",
            "torch.from_file",
            "stat",
        ),
        "write": (
            "home",
            "site-packages",
            "bootstrap and input",
            "chmod/utime",
        ),
        "network and IPC": (
            "TCP",
            "UDP",
            "metadata address",
            "path and abstract UNIX sockets",
            "raw syscalls",
            "io_uring",
            "i386/x32 entry",
            "TCPStore",
            "DataLoader workers",
            "torch.hub",
        ),
        "process": (
            "exec",
            "fork bomb",
            "double-fork daemon",
            "killing parent or siblings",
            "ptrace and process_vm_*",
            "namespaces and mount",
            "bpf/perf/keyctl/userfaultfd",
            "TIOCSTI",
            "inherited descriptors",
            "prlimit",
            "a thread started before the lock",
        ),
        "exhaustion": (
            "huge tensor",
            "shared mmap/memfd/shm",
            "big, many and sparse files",
            "thread and descriptor bombs",
            "spin",
            "ignored SIGTERM",
            "sleep",
            "output floods",
            "segfault",
            "deep recursion",
            "closed pipe",
        ),
        "torch and pickle": (
            "__reduce__",
            "load_library",
            "cpp_extension",
            "torch.compile",
            "Timer strings",
            "safetensors with bad header/shape/overlap",
        ),
        "protocol": (
            "NaN",
            "huge ints",
            "deep JSON",
            "forged second frame",
            "NUL and NFKC source",
            "path traversal in a patch",
            "injection in comments and error text",
            "giant bodies",
        ),
        "integrity": (
            "labels by frame or gc",
            "patched loss/argmax/clock",
            "Tensor subclass",
            "replayed outputs",
            "peeking at future tokens",
            "one candidate touching the next",
        ),
    }
)
