"""Attacks that want to talk to somebody."""

from __future__ import annotations

from attack import Attack, connects, works

ATTACKS = (
    Attack(
        "TCP",
        "connect",
        "socket.create_connection(('127.0.0.1', @TCP@), timeout=1).sendall(b'hello')",
        connects,
    ),
    Attack(
        "TCP",
        "listen",
        """
        def listen():
            with socket.create_server(("127.0.0.1", 0)):
                pass
        return all_of(listen=listen)
        """,
        works,
        site="forward",
    ),
    Attack(
        "UDP",
        "datagram",
        "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'hello', ('127.0.0.1', @UDP@))",
        connects,
        site="init",
    ),
    Attack(
        "UDP",
        "sockets of other families",
        """
        return all_of(
            inet=lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
            netlink=lambda: socket.socket(socket.AF_NETLINK, socket.SOCK_RAW),
            algorithms=lambda: socket.socket(socket.AF_ALG, socket.SOCK_SEQPACKET),
        )
        """,
        works,
    ),
    Attack(
        "metadata address",
        "connect",
        """
        # a datagram socket is given its route and sends nothing: whether the address can be reached from here
        def route():
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
                asking.connect(("169.254.169.254", 80))
        return all_of(route=route)
        """,
        works,
        lacks="a route to the address",
    ),
    Attack(
        "path and abstract UNIX sockets",
        "path",
        "socket.socket(socket.AF_UNIX).connect(@UNIX@)",
        connects,
    ),
    Attack(
        "path and abstract UNIX sockets",
        "abstract",
        "socket.socket(socket.AF_UNIX).connect(@ABSTRACT@)",
        connects,
        site="train",
    ),
    Attack(
        "path and abstract UNIX sockets",
        "pair, to pass descriptors",
        "return all_of(pair=lambda: socket.socketpair(), pipe=lambda: os.pipe(), event=lambda: os.eventfd(0))",
        works,
    ),
    Attack(
        "raw syscalls",
        "socket and connect",
        """
        descriptor = call(NR["socket"], 2, 1, 0)
        address = struct.pack("=H", 2) + struct.pack("!H", @TCP@) + bytes([127, 0, 0, 1]) + bytes(8)
        call(NR["connect"], descriptor, address, 16)
        """,
        connects,
    ),
    Attack(
        "raw syscalls",
        "mkdirat",
        'call(NR["mkdirat"], -100, @OUT@.encode() + b"/folder" + bytes(1), 0o755)',
        lambda scene, outcome: bool(scene.written()),
        site="init",
    ),
    Attack(
        "io_uring",
        "a folder made by the kernel's thread",
        """
        path = ctypes.create_string_buffer(@OUT@.encode() + b"/folder")
        parameters = bytearray(120)
        view = (ctypes.c_char * 120).from_buffer(parameters)
        ring = call(NR["io_uring_setup"], 4, view)
        offsets = struct.unpack_from("=10I", parameters, 40)
        queue = mmap.mmap(ring, offsets[6] + 4 * 4, offset=0)
        entries = mmap.mmap(ring, 4 * 64, offset=0x10000000)
        entries[:64] = struct.pack("=BBHiQQIIQ", 37, 0, 0, -100, 0, ctypes.addressof(path), 0o755, 0, 0) + bytes(24)
        queue[offsets[6]:offsets[6] + 4] = struct.pack("=I", 0)
        queue[offsets[1]:offsets[1] + 4] = struct.pack("=I", 1)
        call(NR["io_uring_enter"], ring, 1, 1, 1, None, 0)
        """,
        lambda scene, outcome: bool(scene.written()),
        lacks="io_uring",
    ),
    Attack(
        "i386/x32 entry",
        "int 0x80",
        """
        if os.uname().machine != "x86_64":
            return
        low = 0x40
        libc.mmap.restype = ctypes.c_void_p
        libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
        page = libc.mmap(None, 8192, 7, 0x22 | low, -1, 0)
        path = @OUT@.encode() + b"/folder" + bytes(1)
        ctypes.memmove(page + 4096, path, len(path))
        # push rbx; mov eax, 39 (mkdir); mov ebx, path; mov ecx, 0755; int 0x80; pop rbx; ret
        code = b"\\x53\\xb8" + struct.pack("<I", 39) + b"\\xbb" + struct.pack("<I", page + 4096)
        code += b"\\xb9" + struct.pack("<I", 0o755) + b"\\xcd\\x80\\x5b\\xc3"
        ctypes.memmove(page, code, len(code))
        ctypes.CFUNCTYPE(ctypes.c_int)(page)()
        """,
        lambda scene, outcome: bool(scene.written()),
        lacks="the i386 entry (CONFIG_IA32_EMULATION, x86-64)",
    ),
    Attack(
        "i386/x32 entry",
        "x32 numbers",
        'call(0x40000000 + 83, @OUT@.encode() + b"/folder" + bytes(1), 0o755)',
        lambda scene, outcome: bool(scene.written()),
        lacks="the x32 entry (CONFIG_X86_X32_ABI, x86-64)",
    ),
    Attack(
        "TCPStore",
        "client",
        """
        import torch.distributed
        from datetime import timedelta
        torch.distributed.TCPStore("127.0.0.1", @TCP@, None, False, timedelta(seconds=1))
        """.replace("from datetime import timedelta", 'timedelta = __import__("datetime").timedelta'),
        connects,
    ),
    Attack(
        "DataLoader workers",
        "a process of its own",
        """
        import torch.utils.data
        class Numbers(torch.utils.data.Dataset):
            def __len__(self):
                return 2
            def __getitem__(self, index):
                os.mkdir(@OUT@ + "/by-%d" % os.getpid())
                return index
        list(torch.utils.data.DataLoader(Numbers(), num_workers=1))
        """,
        lambda scene, outcome: bool(scene.written()) or outcome.processes > 1,
        site="init",
        control="bare",
    ),
    Attack(
        "torch.hub",
        "download",
        """
        import torch.hub
        torch.hub.load_state_dict_from_url("http://127.0.0.1:%d/weights.pth" % @TCP@, model_dir=@OUT@)
        """,
        connects,
    ),
    Attack(
        "torch.hub",
        "a repository on the disk",
        """
        import torch.hub
        torch.hub.load(@HUB@, "network", source="local", folder=@OUT@)
        """,
        lambda scene, outcome: bool(scene.written()),
        site="init",
    ),
)
