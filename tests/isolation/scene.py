"""What an attack finds around it: a secret, a folder to write to, listeners, a bystander; all of it ours to lose."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import select
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Self

import pytest

from lemonade_es.trainer import isolation

_VICTIM = """
import ctypes, os, time
ctypes.CDLL(None).prctl(0x59616D61, ctypes.c_ulong(2**64 - 1), 0, 0, 0)
kept = ctypes.create_string_buffer(os.environ["SECRET"].encode())
print(ctypes.addressof(kept), flush=True)
time.sleep(600)
"""
_PLACE = re.compile(r"@([A-Z_]+)@")


class Scene:
    """The surroundings of one attack.

    Args:
        folder: an empty one.
        places: more names that a source may use, with what they stand for.
        in_environment: the secret in this process's environment.
    """

    def __init__(self, folder: Path, places: Mapping[str, object], in_environment: str) -> None:
        self.token = secrets.token_hex(16)
        self._tokens = (self.token, in_environment)
        self.marker = f"lm{secrets.token_hex(6)}"
        self.out = folder / "out"
        self.out.mkdir(parents=True)
        self.secret = folder / "home" / ".ssh" / "id_ed25519"
        self.secret.parent.mkdir(parents=True)
        self.secret.write_text(self.token)
        self.secret.chmod(0o600)
        os.utime(self.secret, (10**9, 10**9))
        self.link = self.out / "weights.safetensors"
        self.link.symlink_to(self.secret)
        self._places = dict(places)
        self._open = contextlib.ExitStack()
        self._listeners: dict[str, socket.socket] = {}
        self._heard = b""
        self._plants: list[Path] = []
        self._held = -1
        self.terminal = -1
        self.victim: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()
        for plant in self._plants:
            if plant.exists():
                plant.rmdir()
        if self.victim is not None:
            with contextlib.suppress(ProcessLookupError):
                self.victim.kill()
            self.victim.communicate()

    def filled(self, source: str) -> str:
        """A source with the names of places replaced by what they stand for; only what it names is set up."""
        return _PLACE.sub(lambda found: repr(self._place(found[1])), source)

    def contacts(self) -> int:
        """How many connections and datagrams have come to the listeners; what they said is kept for :meth:`heard`."""
        count = 0
        while ready := select.select(list(self._listeners.values()), [], [], 0.05)[0]:
            for listener in ready:
                count += 1
                if listener.type == socket.SOCK_DGRAM:
                    self._heard += listener.recv(4096)
                    continue
                connection, _ = listener.accept()
                with connection:
                    connection.settimeout(0.2)
                    with contextlib.suppress(OSError):
                        self._heard += connection.recv(4096)
        return count

    def leaked(self, *said: str) -> bool:
        """Whether the secret has come out: in what was said, to a listener, or into a file."""
        self.contacts()
        files = [path for path in self.out.rglob("*") if path.is_file() and not path.is_symlink()]
        texts = [*(text.encode() for text in said), self._heard, *(path.read_bytes() for path in files)]
        return any(token.encode() in text for token in self._tokens for text in texts)

    def written(self) -> list[str]:
        """What is in the output folder and was not put there by the scene."""
        return sorted(path.name for path in self.out.iterdir() if path != self.link)

    def touched(self) -> bool:
        """Whether the secret's file or its folder is not as it was."""
        try:
            status, text = self.secret.stat(), self.secret.read_text()
        except OSError:
            return True
        as_it_was = (status.st_mode & 0o777, int(status.st_mtime), text) == (0o600, 10**9, self.token)
        return not as_it_was or [path.name for path in self.secret.parent.iterdir()] != [self.secret.name]

    def planted(self) -> bool:
        """Whether a folder was made among the installed packages or beside the zygote's own code."""
        return any(path.exists() for path in self._plants)

    def overwritten(self) -> bool:
        """Whether a nameless file that only this process holds has been written to."""
        return os.pread(self._held, len(self.token), 0) != self.token.encode()

    def typed(self) -> bool:
        """Whether somebody has typed into the terminal."""
        return bool(select.select([self.terminal], [], [], 0.1)[0])

    def victim_lives(self) -> bool:
        """Whether the bystander still runs."""
        assert self.victim is not None
        return self.victim.poll() is None

    def _place(self, name: str) -> object:
        if name not in self._places:
            self._places[name] = self._set_up(name)
        return self._places[name]

    def _set_up(self, name: str) -> object:
        match name:
            case "SECRET" | "OUT" | "LINK":
                return str({"SECRET": self.secret, "OUT": self.out, "LINK": self.link}[name])
            case "HOME":
                return str(self.secret.parent.parent)
            case "MARKER":
                return self.marker
            case "TCP":
                return self._listen(socket.AF_INET, socket.SOCK_STREAM, ("127.0.0.1", 0)).getsockname()[1]
            case "UDP":
                return self._listen(socket.AF_INET, socket.SOCK_DGRAM, ("127.0.0.1", 0)).getsockname()[1]
            case "UNIX":
                path = str(self.out.parent / "socket")
                self._listen(socket.AF_UNIX, socket.SOCK_STREAM, path)
                return path
            case "ABSTRACT":
                self._listen(socket.AF_UNIX, socket.SOCK_STREAM, f"\0{self.marker}")
                return f"\0{self.marker}"
            case "VICTIM" | "ADDRESS":
                self._bring_victim()
                return self._places[name]
            case "PACKAGES":
                return self._plant(Path(sysconfig.get_path("purelib")))
            case "BOOTSTRAP":
                return self._plant(Path(isolation.__file__).parent)
            case "LIBRARY":
                return str(self._compiled())
            case "HUB":
                hub = self.out.parent / "hub"
                hub.mkdir()
                (hub / "hubconf.py").write_text("import os\ndef network(folder):\n    os.mkdir(folder + '/ran')\n")
                return str(hub)
            case "HELD":
                file = self._open.enter_context(tempfile.TemporaryFile())  # noqa: SIM115  (it is entered)
                file.write(self.token.encode())
                file.flush()
                self._held = file.fileno()
                return f"/proc/{os.getpid()}/fd/{self._held}"
            case "TERMINAL":
                master, slave = os.openpty()
                self._open.callback(os.close, master)
                self._open.callback(os.close, slave)
                self.terminal = slave
                return os.ttyname(slave)
        raise KeyError(name)

    def _compiled(self) -> Path:
        """A library that makes a folder as soon as it is loaded."""
        compiler = shutil.which("cc")
        if compiler is None:
            pytest.skip("there is no C compiler to make a hostile library with")
        source, library = self.out.parent / "library.c", self.out.parent / "library.so"
        source.write_text(
            "int mkdir(const char *, unsigned);\n"
            f'__attribute__((constructor)) static void run(void) {{ mkdir("{self.out}/loaded", 0755); }}\n'
        )
        subprocess.run([compiler, "-shared", "-fPIC", "-o", library, source], check=True)
        return library

    def _plant(self, folder: Path) -> str:
        plant = folder / self.marker
        self._plants.append(plant)
        return str(plant)

    def _listen(self, family: int, kind: int, address: object) -> socket.socket:
        listener = self._open.enter_context(socket.socket(family, kind))
        listener.bind(address)
        if kind == socket.SOCK_STREAM:
            listener.listen(16)
        self._listeners[str(len(self._listeners))] = listener
        return listener

    def _bring_victim(self) -> None:
        self.victim = subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", _VICTIM],
            env={"SECRET": self.token},
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        assert self.victim.stdout is not None
        self._places["ADDRESS"] = int(self.victim.stdout.readline())
        self._places["VICTIM"] = self.victim.pid

    def stop_by_name(self) -> int:
        """Ends every process that carries the scene's name, and says how many there were."""
        found = named(self.marker)
        for pid in found:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return len(found)


def named(marker: str) -> list[int]:
    """The processes whose main thread carries a name, zombies left out."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                name, _, rest = (folder / "stat").read_text(errors="replace").partition("(")[2].rpartition(")")
                if name == marker and rest.split()[0] not in "ZX":
                    found.append(int(folder.name))
    return found
