"""Attacks that want all of the machine, or more time than they are given."""

from __future__ import annotations

from attack import LIMIT_BYTES, Attack, Outcome, outlives, works
from scene import Scene

# what torch takes itself, and the stacks of its threads, come on top of the limit
_FAR_TOO_MUCH = 3 * LIMIT_BYTES


def _takes_memory(scene: Scene, outcome: Outcome) -> bool:
    return outcome.resident > _FAR_TOO_MUCH


def _files(scene: Scene, outcome: Outcome) -> bool:
    return bool(scene.written())


def _went_down_with_it(scene: Scene, outcome: Outcome) -> bool:
    """The zygote, or the bare process that the action ran in, did not live through it."""
    return outcome.restarted or (outcome.status is not None and outcome.status != 0)


def floods(scene: Scene, outcome: Outcome) -> bool:
    taken = sum(len(str(message)) + len(tensors) for message, tensors in outcome.frames)
    return len(outcome.said) + taken > 1_000_000 or outcome.grown > 100_000_000


ATTACKS = (
    Attack(
        "huge tensor",
        "two gigabytes",
        """
        kept = torch.ones(500_000_000)
        time.sleep(0.1)
        return "worked: %d" % kept.numel()
        """,
        _takes_memory,
    ),
    Attack(
        "huge tensor",
        "many small ones",
        """
        kept = []
        for _ in range(2000):
            kept.append(torch.ones(250_000))
        time.sleep(0.1)
        """,
        _takes_memory,
        site="train",
    ),
    Attack(
        "huge tensor",
        "bytes and lists",
        """
        kept = [bytearray(b"x") * 100_000_000 for _ in range(20)]
        time.sleep(0.1)
        """,
        _takes_memory,
        site="init",
    ),
    Attack(
        "shared mmap/memfd/shm",
        "shared anonymous memory",
        """
        kept = mmap.mmap(-1, 2_000_000_000)
        for start in range(0, len(kept), 4096):
            kept[start] = 1
        time.sleep(0.1)
        """,
        _takes_memory,
        slow=True,
    ),
    Attack(
        "shared mmap/memfd/shm",
        "memory without a mapping",
        """
        def fill():
            descriptor = os.memfd_create("x")
            if os.write(descriptor, bytes(1 << 24)) != 1 << 24:
                raise OSError
        def share():
            import torch.multiprocessing
            torch.multiprocessing.set_sharing_strategy("file_system")
            torch.ones(1 << 20).share_memory_()
        def name():
            descriptor = os.open("/dev/shm/" + @MARKER@, os.O_CREAT | os.O_RDWR)
            os.unlink("/dev/shm/" + @MARKER@)
            if os.write(descriptor, bytes(1 << 24)) != 1 << 24:
                raise OSError
        return all_of(memfd=fill, tensor=share, shm=name)
        """,
        works,
        control="bare",
    ),
    Attack(
        "big, many and sparse files",
        "big",
        """
        with open(@OUT@ + "/big", "wb") as file:
            file.write(bytes(64 << 20))
        """,
        _files,
        control="bare",
    ),
    Attack(
        "big, many and sparse files",
        "many",
        """
        for number in range(500):
            os.close(os.open(@OUT@ + "/%d" % number, os.O_CREAT | os.O_WRONLY))
        """,
        lambda scene, outcome: len(scene.written()) > 100,
        site="forward",
    ),
    Attack(
        "big, many and sparse files",
        "sparse",
        """
        with open(@OUT@ + "/sparse", "wb") as file:
            file.truncate(100 << 20)
        """,
        _files,
        control="bare",
        site="train",
    ),
    Attack(
        "thread and descriptor bombs",
        "threads",
        """
        threading.stack_size(1 << 16)
        stop = threading.Event()
        try:
            for _ in range(3000):
                threading.Thread(target=stop.wait, daemon=True).start()
        except RuntimeError:
            pass
        time.sleep(0.2)
        """,
        # those of the first twentieth of a second are not held against the level: then somebody looks
        lambda scene, outcome: outcome.threads > 2000,
        control="contained",
    ),
    Attack(
        "thread and descriptor bombs",
        "descriptors",
        """
        count = 0
        try:
            while count < 2000:
                os.dup(0)
                count += 1
        except OSError:
            pass
        return "worked: %d" % count if count > 1000 else None
        """,
        works,
        control="bare",
        site="init",
    ),
    Attack("spin", "in Python", "while True: pass", outlives, control="bare", slow=True),
    Attack(
        "spin",
        "in torch",
        """
        import torch
        matrix = torch.ones(600, 600)
        while True:
            matrix @ matrix
        """,
        outlives,
        control="bare",
        site="train",
        slow=True,
    ),
    Attack(
        "ignored SIGTERM",
        "all signals ignored and blocked",
        """
        for number in range(1, 65):
            try:
                signal.signal(number, signal.SIG_IGN)
            except (OSError, ValueError):
                pass
        signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 65))
        while True:
            try:
                time.sleep(1)
            except BaseException:
                pass
        """,
        lambda scene, outcome: outlives(scene, outcome) and outcome.status is None,
        control="bare",
        slow=True,
    ),
    Attack("sleep", "for an hour", "time.sleep(3600)", outlives, control="bare", site="forward", slow=True),
    Attack(
        "output floods",
        "standard output",
        """
        for _ in range(40):
            for descriptor in (1, 2):
                os.write(descriptor, b"A" * 100_000)
            print("B" * 100_000)
        """,
        floods,
        control="bare",
        site="init",
    ),
    Attack(
        "output floods",
        "the channel",
        """
        for _ in range(150):
            send(frame(b'{"answers": 3, "epoch": "%s"}' % (b"A" * 1_000_000)))
        """,
        floods,
        control="pipe",
        site="train",
    ),
    Attack("segfault", "null pointer", "ctypes.string_at(0)", _went_down_with_it, control="bare", site="train"),
    Attack("segfault", "abort", "os.abort()", _went_down_with_it, control="bare"),
    Attack(
        "deep recursion",
        "past the stack",
        """
        sys.setrecursionlimit(10**8)
        class Endless:
            def __getattr__(self, name):
                return getattr(self, name + "x"[:0])
        def deeper(value):
            return [deeper(value) for _ in [0]]
        sorted([2, 1], key=lambda value: deeper(value))
        Endless().anything
        """,
        _went_down_with_it,
        control="bare",
        site="init",
    ),
    Attack(
        "deep recursion",
        "in what is returned",
        """
        nested = []
        for _ in range(200_000):
            nested = [nested]
        raise RuntimeError(nested)
        """,
        _went_down_with_it,
        control="bare",
        site="forward",
    ),
    Attack(
        "closed pipe",
        "hang up and go on",
        """
        os.close(3)
        time.sleep(3600)
        """,
        outlives,
        control="pipe",
        slow=True,
    ),
)
