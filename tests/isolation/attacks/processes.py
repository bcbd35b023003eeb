"""Attacks on processes: new ones, other ones, and what this one has been given."""

from __future__ import annotations

import resource

from attack import Attack, Outcome, leaks, works
from scene import Scene


def _folder_made(scene: Scene, outcome: Outcome) -> bool:
    return bool(scene.written())


def _victim_harmed(scene: Scene, outcome: Outcome) -> bool:
    return not scene.victim_lives()


def _victim_limited(scene: Scene, outcome: Outcome) -> bool:
    assert scene.victim is not None
    return resource.prlimit(scene.victim.pid, resource.RLIMIT_NOFILE)[0] == 77


def _many(scene: Scene, outcome: Outcome) -> bool:
    return outcome.processes > 1 or outcome.left > 0


ATTACKS = (
    Attack(
        "exec",
        "in place of itself",
        'os.execv("/bin/mkdir", ["mkdir", @OUT@ + "/folder"])',
        _folder_made,
    ),
    Attack(
        "exec",
        "as a child",
        """
        command = ["/bin/mkdir", @OUT@ + "/folder"]
        first(
            lambda: os.waitpid(os.posix_spawn(command[0], command, {}), 0),
            lambda: subprocess.run(command, check=True),
            lambda: libc.system(" ".join(command).encode()),
        )
        """,
        _folder_made,
        site="train",
    ),
    Attack(
        "exec",
        "by descriptor",
        """
        file = os.open("/bin/mkdir", os.O_RDONLY)
        arguments = (ctypes.c_char_p * 3)(b"mkdir", @OUT@.encode() + b"/folder", None)
        call(NR["execveat"], file, b"", arguments, None, 0x1000)
        """,
        _folder_made,
        site="init",
    ),
    Attack(
        "fork bomb",
        "twenty at once",
        """
        for _ in range(20):
            if os.fork() == 0:
                time.sleep(8)
                os._exit(0)
        time.sleep(0.3)
        """,
        _many,
        control="contained",
    ),
    Attack(
        "fork bomb",
        "by other calls",
        """
        def of(kind):
            def attempt():
                pid = kind()
                if pid == 0:
                    os._exit(0)
                if pid < 0:
                    raise OSError
            return attempt
        libc.vfork.restype = ctypes.c_int
        return all_of(
            libc=of(libc.fork),
            pty=of(lambda: os.forkpty()[0]),
            multiprocessing=lambda: __import__("multiprocessing").get_context("fork").Process(target=int).start(),
            raw=of(lambda: libc.syscall({"x86_64": 56, "aarch64": 220}[os.uname().machine], 17, 0, 0, 0, 0)),
        )
        """,
        works,
        control="contained",
        site="init",
    ),
    Attack(
        "double-fork daemon",
        "outlives its parent",
        """
        if os.fork() == 0:
            os.setsid()
            if os.fork() == 0:
                time.sleep(15)
            os._exit(0)
        os.wait()
        """,
        lambda scene, outcome: outcome.left > 0,
        site="train",
    ),
    Attack(
        "killing parent or siblings",
        "the zygote",
        """
        for number in (9, 15, 19):
            first(lambda: os.kill(os.getppid(), number))
            first(lambda: call(NR["kill"], os.getppid(), number))
            first(lambda: call(NR["tkill"], os.getppid(), number))
            first(lambda: signal.pidfd_send_signal(os.pidfd_open(os.getppid()), number))
        """,
        lambda scene, outcome: outcome.restarted,
        site="forward",
    ),
    Attack(
        "killing parent or siblings",
        "a bystander of the same user",
        """
        first(lambda: os.kill(@VICTIM@, 9))
        first(lambda: call(NR["kill"], @VICTIM@, 9))
        first(lambda: call(NR["tkill"], @VICTIM@, 9))
        first(lambda: call(NR["rt_sigqueueinfo"], @VICTIM@, 9, struct.pack("=iiii", 9, 0, -1, 0) + bytes(112)))
        first(lambda: signal.pidfd_send_signal(os.pidfd_open(@VICTIM@), 9))
        time.sleep(0.1)
        """,
        _victim_harmed,
    ),
    Attack(
        "killing parent or siblings",
        "everybody at once",
        # signal 0 asks whether it could: the real one would end this session
        "return all_of(kill=lambda: os.kill(-1, 0), group=lambda: os.killpg(os.getpgid(os.getppid()), 0))",
        works,
        site="train",
    ),
    Attack(
        "ptrace and process_vm_*",
        "process_vm_readv",
        """
        class Piece(ctypes.Structure):
            _fields_ = [("base", ctypes.c_void_p), ("length", ctypes.c_size_t)]
        mine = ctypes.create_string_buffer(32)
        here, there = Piece(ctypes.addressof(mine), 32), Piece(@ADDRESS@, 32)
        call(NR["process_vm_readv"], @VICTIM@, ctypes.byref(here), 1, ctypes.byref(there), 1, 0)
        return mine.raw.decode()
        """,
        leaks,
        site="forward",
    ),
    Attack(
        "ptrace and process_vm_*",
        "ptrace",
        """
        libc.ptrace.restype = ctypes.c_long
        libc.ptrace.argtypes = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p]
        if libc.ptrace(16, @VICTIM@, None, None) < 0:
            raise OSError(ctypes.get_errno(), "attach")
        time.sleep(0.1)
        words = [libc.ptrace(1, @VICTIM@, @ADDRESS@ + 8 * index, None) for index in range(4)]
        libc.ptrace(17, @VICTIM@, None, None)
        return struct.pack("=4q", *words).decode()
        """,
        leaks,
    ),
    Attack(
        "ptrace and process_vm_*",
        "a descriptor of another process",
        "return all_of(pidfd=lambda: call(NR['pidfd_getfd'], call(NR['pidfd_open'], @VICTIM@, 0), 1, 0))",
        works,
    ),
    Attack(
        "namespaces and mount",
        "mount over a folder",
        """
        if libc.unshare(0x10020000) < 0 and libc.unshare(0x20000) < 0:
            raise OSError(ctypes.get_errno(), "unshare")
        if libc.mount(b"none", @OUT@.encode(), b"tmpfs", 0, None) < 0:
            raise OSError(ctypes.get_errno(), "mount")
        return "worked: mounted"
        """,
        works,
        lacks="namespaces of an unprivileged user",
    ),
    Attack(
        "namespaces and mount",
        "other namespaces",
        """
        def made(function, *arguments):
            def attempt():
                if getattr(libc, function)(*arguments) < 0:
                    raise OSError
            return attempt
        return all_of(
            uts=made("unshare", 0x4000000),
            user=made("unshare", 0x10000000),
            chroot=made("chroot", b"/"),
            keep=made("prctl", 8, 1, 0, 0, 0),
        )
        """,
        works,
        site="init",
    ),
    Attack(
        "bpf/perf/keyctl/userfaultfd",
        "keys",
        """
        return all_of(
            keyctl=lambda: call(NR["keyctl"], 0, -3, 0),
            add_key=lambda: call(NR["add_key"], b"user" + bytes(1), @MARKER@.encode() + bytes(1), b"x", 1, -1),
        )
        """,
        works,
        lacks="kernel keyrings",
    ),
    Attack(
        "bpf/perf/keyctl/userfaultfd",
        "bpf",
        'return all_of(bpf=lambda: call(NR["bpf"], 0, struct.pack("=5I", 2, 4, 4, 1, 0) + bytes(100), 120))',
        works,
        lacks="bpf for this user",
    ),
    Attack(
        "bpf/perf/keyctl/userfaultfd",
        "perf",
        """
        clock = struct.pack("=IIQQQQQ", 1, 112, 0, 0, 0, 0, 1 << 5 | 1 << 6) + bytes(64)
        return all_of(perf=lambda: call(NR["perf_event_open"], clock, 0, -1, -1, 0))
        """,
        works,
        lacks="perf events for this user",
    ),
    Attack(
        "bpf/perf/keyctl/userfaultfd",
        "userfaultfd",
        'return all_of(userfaultfd=lambda: call(NR["userfaultfd"], 1))',
        works,
        lacks="userfaultfd",
    ),
    Attack(
        "TIOCSTI",
        "push a command into a terminal",
        """
        terminal = os.open(@TERMINAL@, os.O_RDWR | os.O_NOCTTY)
        for letter in b"echo\\n":
            fcntl.ioctl(terminal, 0x5412, bytes([letter]))
        """,
        lambda scene, outcome: scene.typed(),
        lacks="TIOCSTI (dev.tty.legacy_tiocsti)",
    ),
    Attack(
        "inherited descriptors",
        "read what the parent has open",
        """
        said = []
        for descriptor in range(1024):
            try:
                said.append(os.pread(descriptor, 64, 0).decode())
            except (OSError, ValueError):
                pass
        return " ".join(said)
        """,
        leaks,
        control="heir",
    ),
    Attack(
        "inherited descriptors",
        "more than the channel",
        """
        kinds = []
        for descriptor in range(1024):
            try:
                kinds.append((descriptor, os.fstat(descriptor).st_mode & 0o170000))
            except OSError:
                pass
        if kinds != [(0, 0o20000), (1, 0o20000), (2, 0o20000), (3, 0o140000)]:
            return "worked: " + str(kinds)
        """,
        works,
        control="heir",
        site="init",
    ),
    Attack(
        "prlimit",
        "of a bystander",
        "resource.prlimit(@VICTIM@, resource.RLIMIT_NOFILE, (77, 77))",
        _victim_limited,
    ),
    Attack(
        "prlimit",
        "of itself",
        """
        def wider(kind):
            soft, hard = resource.getrlimit(kind)
            resource.setrlimit(kind, (soft, hard - 1 if hard > 0 else -1))
        return all_of(
            core=lambda: resource.setrlimit(resource.RLIMIT_CORE, (-1, -1)),
            files=lambda: wider(resource.RLIMIT_NOFILE),
            processor=lambda: wider(resource.RLIMIT_CPU),
            priority=lambda: os.setpriority(os.PRIO_PROCESS, 0, -5),
            processors=lambda: os.sched_setaffinity(0, {0}),
        )
        """,
        works,
        site="forward",
    ),
    Attack(
        "a thread started before the lock",
        "a thread of the candidate",
        """
        said = []
        def read():
            said.append(open(@SECRET@).read())
        threading.excepthook = lambda arguments: None
        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
        return said[0]
        """,
        leaks,
    ),
    Attack(
        "a thread started before the lock",
        "torch's threads",
        """
        said = []
        def hook(gradient):
            try:
                said.append(open(@SECRET@).read())
            except OSError:
                pass
        value = torch.ones(2, requires_grad=True)
        value.register_hook(hook)
        # autograd calls hooks on a thread of its own choosing, and the interpreter's fork on one of its pool
        torch.jit.wait(torch.jit.fork(lambda: torch.autograd.backward((value * 2).sum())))
        return first(*(lambda text=text: text for text in said))
        """,
        leaks,
        site="train",
    ),
)
