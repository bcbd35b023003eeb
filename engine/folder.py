"""Where runs lie: the journal, the artifacts, and a folder for each run with its best network."""

from __future__ import annotations

import fcntl
import os
import shlex
import shutil
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from lemonade_es import defaults
from lemonade_es.engine.history.artifacts import Artifacts, write_file
from lemonade_es.engine.history.checkpoints import FolderCheckpoints
from lemonade_es.engine.history.events import RunStarted
from lemonade_es.engine.history.journal import DATABASE, Entry, Journal, has_secret
from lemonade_es.engine.loop.state import SearchState
from lemonade_es.errors import StoreError


@dataclass(frozen=True, slots=True)
class RunFolder:
    """Where runs lie: a folder with the journal, the artifacts, and a folder for each run.

    Attributes:
        path: ``runs`` unless ``--out`` says otherwise.
        store: SQLAlchemy URL of the journal, if it is not the SQLite file in the folder.
    """

    path: Path
    store: str | None = None

    def journal(self, *, create: bool) -> Journal:
        """Open the journal.

        Raises:
            StoreError: it is not there, or cannot be opened.
        """
        listing = self.command("runs")
        if self.store:
            return Journal(self.store, create=create, listing=listing)
        return Journal.in_folder(self.path, create=create, listing=listing)

    def find(self, name: str) -> str:
        """The id of the run that is meant by it, by its beginning, or by ``latest``.

        Raises:
            StoreError: there is no such run.
        """
        with closing(self.journal(create=False)) as journal:
            return journal.find(name)

    def entries(self, name: str) -> tuple[Entry, ...]:
        """All events of a run, in their order; the journal is closed again.

        Args:
            name: the run's id, its beginning, or ``latest``.

        Raises:
            StoreError: there is no such run, or it cannot be read.
        """
        with closing(self.journal(create=False)) as journal:
            return journal.read(journal.find(name))

    def distinct(self, names: Iterable[str]) -> list[tuple[Entry, ...]]:
        """The events of several runs; one that has two of the names, its id and ``latest`` say, comes once.

        Raises:
            StoreError: there is no such run, or one cannot be read.
        """
        found = {entries[0].run: entries for entries in map(self.entries, names)}
        return list(found.values())

    def command(self, *words: str) -> str:
        """A command line that works on the same runs as this one does."""
        default = Path(os.environ.get(defaults.OUT_VARIABLE) or defaults.OUT)
        out = ["--out", str(self.path)] if self.path != default else []
        return shlex.join(["lemonade-es", *words, *out]) + self.store_option

    @property
    def store_option(self) -> str:
        """The ``--store`` of a command line that is shown, after a blank; its URL only if no secret can be in it."""
        if self.store is None:
            return ""
        return f" --store {'URL' if has_secret(self.store) else shlex.quote(self.store)}"

    @property
    def artifacts(self) -> Artifacts:
        """The store of sources and weights."""
        return Artifacts(self.path / "artifacts")

    def best(self, run: str) -> Path:
        """Where the best network of a run is left."""
        return self.path / run / "best"

    def checkpoints(self, run: str, training: str) -> FolderCheckpoints:
        """Where a final training is kept until it is done.

        Args:
            run: whose network is trained.
            training: the digest of the training.
        """
        return FolderCheckpoints(self.path / run / "checkpoints" / training[:16])

    @contextmanager
    def held(self, run: str) -> Iterator[None]:
        """While this lasts, no other process on this machine writes the run.

        Raises:
            StoreError: another process does.
        """
        path = self.path / run / "lock"
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = path.open("wb")
        except OSError as error:
            raise StoreError(f"cannot be written: {error.strerror}", where=str(path)) from None
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise StoreError(
                    "another process is at work on this run", where=f"run {run}", hint="wait for it, or stop it"
                ) from None
            except OSError as error:
                raise StoreError(
                    f"cannot be locked: {error.strerror}",
                    where=str(path),
                    hint="keep runs on a file system that has locks: choose another --out",
                ) from None
            yield

    @contextmanager
    def opened(self, run: str, begun: RunStarted) -> Iterator[tuple[Journal, Entry]]:
        """The journal with the first event of a new run in it, and this run held.

        Raises:
            StoreError: it cannot be written; then nothing of the run is left behind.
        """
        was_there, had_journal = self.path.exists(), (self.path / DATABASE).exists()
        taken = (self.path / run).exists()
        with suppress(OSError):  # the journal will say why
            self.path.mkdir(parents=True, exist_ok=True)
        with ExitStack() as stack:
            try:
                with self._locked(fcntl.LOCK_SH):  # so that nobody takes away what is not yet used
                    journal = stack.enter_context(closing(self.journal(create=True)))
                    stack.enter_context(self.held(run))
                    first = journal.append(run, 0, begun)
            except StoreError:
                stack.close()
                if not taken:
                    shutil.rmtree(self.path / run, ignore_errors=True)
                self._tidy(journal=not had_journal, folder=not was_there)
                raise
            yield journal, first

    def _tidy(self, *, journal: bool, folder: bool) -> None:
        """Take a journal and the folder away again, unless another process uses them or is about to."""
        with self._locked(fcntl.LOCK_EX | fcntl.LOCK_NB) as alone:
            if alone and journal and not self._is_used():
                for path in self.path.glob(f"{DATABASE}*"):
                    path.unlink(missing_ok=True)
            if alone and folder:
                with suppress(OSError):  # another run may have begun there
                    self.path.rmdir()

    @contextmanager
    def _locked(self, how: int) -> Iterator[bool]:
        """While this lasts, the folder is locked; whether it could be."""
        with ExitStack() as stack:
            try:
                descriptor = os.open(self.path, os.O_RDONLY | os.O_DIRECTORY)
                stack.callback(os.close, descriptor)
                fcntl.flock(descriptor, how)
            except OSError:
                yield False
                return
            yield True

    def _is_used(self) -> bool:
        """Whether the journal holds a run: another process may have begun one."""
        try:
            with closing(self.journal(create=False)) as journal:
                return bool(journal.runs())
        except StoreError:
            return False

    def leave_best(self, run: str, state: SearchState) -> tuple[Path | None, Path | None]:
        """Put the best network's source and weights where a person finds them, and say where.

        Raises:
            StoreError: they cannot be written, or the artifact is damaged.
        """
        if state.best is None:
            return None, None
        best = self.best(run)
        model, weights = best / "model.py", best / "weights.safetensors"
        write_file(model, state.best.source.encode())
        if state.best.weights is None:
            weights.unlink(missing_ok=True)
            return model, None
        write_file(weights, self.artifacts.read(state.best.weights))
        return model, weights
