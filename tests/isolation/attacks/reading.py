"""Attacks that want to read what is not theirs."""

from __future__ import annotations

from attack import Attack, leaks, works

ATTACKS = (
    Attack(
        "home keys",
        "open",
        """
        return first(
            lambda: open(@SECRET@).read(),
            lambda: os.read(os.open(@SECRET@, os.O_RDONLY), 64),
            lambda: os.read(os.open(os.path.relpath(@SECRET@), os.O_RDONLY), 64),
            lambda: mmap.mmap(os.open(@SECRET@, os.O_RDONLY), 32, prot=mmap.PROT_READ)[:],
        )
        """,
        leaks,
    ),
    Attack(
        "home keys",
        "numpy",
        """
        import numpy
        return first(
            lambda: numpy.fromfile(@SECRET@, "u1").tobytes(),
            lambda: numpy.memmap(@SECRET@, "u1", "r").tobytes(),
            lambda: numpy.loadtxt(@SECRET@, str),
        )
        """,
        leaks,
        site="init",
    ),
    Attack(
        "home keys",
        "descriptor of the folder",
        """
        def through(flags):
            folder = os.open(@HOME@, flags)
            return os.read(os.open(".ssh/id_ed25519", os.O_RDONLY, dir_fd=folder), 64)
        def by_openat2():
            how = struct.pack("=QQQ", 0, 0, 0)
            return os.read(call(NR["openat2"], -100, @SECRET@.encode() + bytes(1), how, 24), 64)
        return first(lambda: through(os.O_PATH), lambda: through(os.O_RDONLY | os.O_DIRECTORY), by_openat2)
        """,
        leaks,
        site="forward",
    ),
    Attack(
        "home keys",
        "while it trains",
        "return first(lambda: open(@SECRET@).read())",
        leaks,
        site="train",
    ),
    Attack(
        "home keys",
        "while it predicts",
        "return first(lambda: open(@SECRET@).read())",
        leaks,
        site="predict",
    ),
    Attack(
        "home keys",
        "the project's own folder",
        """
        return all_of(
            read=lambda: open(@PROJECT@ + "/pyproject.toml").read(),
            list=lambda: os.listdir(@PROJECT@),
        )
        """,
        works,
    ),
    Attack(
        "/etc/passwd",
        "open",
        """
        return all_of(
            passwd=lambda: open("/etc/passwd").read(),
            hosts=lambda: open("/etc/hosts").read(),
            list=lambda: os.listdir("/etc"),
        )
        """,
        works,
    ),
    Attack(
        "/etc/passwd",
        "the user's entry",
        """
        pwd = __import__("pwd")
        def entry():
            if not pwd.getpwall():
                raise OSError
        return all_of(entry=entry)
        """,
        works,
    ),
    Attack(
        "environment",
        "own",
        """
        environ = ctypes.POINTER(ctypes.c_char_p).in_dll(libc, "environ")
        found, index = [], 0
        while environ[index]:
            found.append(environ[index].decode())
            index += 1
        return " ".join(entry for entry in (*found, *map(str, os.environ.items())) if "API_KEY" in entry)
        """,
        leaks,
        control="bare",
    ),
    Attack(
        "/proc/*/environ, /proc/1/root",
        "environ of every process",
        """
        def search(file):
            for folder in os.listdir("/proc"):
                if folder.isdigit():
                    try:
                        text = open(f"/proc/{folder}/{file}", "rb").read().decode(errors="replace")
                    except OSError:
                        continue
                    if "SECRET=" in text or "API_KEY" in text:
                        return text[text.find("SECRET="):][:200]
        return first(
            lambda: open("/proc/%d/environ" % @VICTIM@).read(),
            lambda: search("environ"),
        )
        """,
        leaks,
    ),
    Attack(
        "/proc/*/environ, /proc/1/root",
        "root and cwd of another process",
        """
        pids = ["1", "self", "thread-self", str(os.getppid()), str(@VICTIM@)]
        ways = [f"/proc/{pid}/root" + @SECRET@ for pid in pids]
        ways += [f"/proc/{pid}/cwd/" + os.path.relpath(@SECRET@, "/") for pid in pids]
        return first(*(lambda way=way: open(way).read() for way in ways))
        """,
        leaks,
        site="init",
    ),
    Attack(
        "/proc/*/environ, /proc/1/root",
        "memory and maps",
        """
        def read():
            with open("/proc/%d/mem" % @VICTIM@, "rb", 0) as memory:
                memory.seek(@ADDRESS@)
                return memory.read(32)
        return first(read)
        """,
        leaks,
    ),
    Attack(
        "symlinks in output",
        "read through one",
        """
        return first(lambda: open(@LINK@).read(), lambda: open(os.readlink(@LINK@)).read())
        """,
        leaks,
    ),
    Attack(
        "symlinks in output",
        "leave one for the parent",
        """
        os.symlink(@SECRET@, @OUT@ + "/logits.safetensors")
        """,
        lambda scene, outcome: bool(scene.written()),
        site="forward",
    ),
    Attack(
        "torch.from_file",
        "secret as a tensor",
        """
        return first(
            lambda: bytes(torch.from_file(@SECRET@, shared=False, size=32, dtype=torch.uint8).tolist()),
            lambda: bytes(torch.UntypedStorage.from_file(@SECRET@, False, 32).tolist()),
        )
        """,
        leaks,
        site="init",
    ),
    Attack(
        "torch.from_file",
        "overwrite through a shared mapping",
        "torch.from_file(@SECRET@, shared=True, size=32, dtype=torch.uint8).fill_(65)",
        lambda scene, outcome: scene.touched(),
        site="init",
    ),
    Attack(
        "stat",
        "whether a file is there",
        """
        return all_of(stat=lambda: os.stat(@SECRET@), folder=lambda: os.stat(@HOME@))
        """,
        works,
        known={"medium": "names, sizes and times of files can be asked for, their content cannot"},
    ),
    Attack(
        "stat",
        "what is in a folder",
        "return all_of(list=lambda: os.listdir(@HOME@), scan=lambda: list(os.scandir(@HOME@)))",
        works,
    ),
)
