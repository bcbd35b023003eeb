"""The journal: an append-only table of events from which a run is explained, resumed and reported."""

from __future__ import annotations

import json
import math
import secrets
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError
from sqlalchemy import (
    URL,
    Column,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    event,
    func,
    insert,
    inspect,
    literal_column,
    make_url,
    select,
)
from sqlalchemy.exc import ArgumentError, IntegrityError, OperationalError, SQLAlchemyError
from sqlalchemy.schema import CreateTable

from lemonade_es.engine.history.events import Event, RunStarted
from lemonade_es.errors import StoreError

DATABASE = "lemonade.db"

_UNWRITABLE = ("SQLITE_CANTOPEN", "SQLITE_READONLY", "SQLITE_IOERR")
"""What SQLite calls it if it cannot make its files beside the database; one that is locked is no such case."""

_BUSY_MILLISECONDS = 10_000
"""For so long a database is waited for that another process writes."""

_TAKEN = ("SQLITE_BUSY", "SQLITE_LOCKED")
"""What SQLite calls it if another process did not let go of the database in time."""

_METADATA = MetaData()
_EVENTS = Table(
    "events",
    _METADATA,
    Column("run_id", String(64), primary_key=True),
    Column("seq", Integer, primary_key=True, autoincrement=False),
    Column("type", String(32), nullable=False),
    Column("at", String(32), nullable=False),
    Column("payload", Text, nullable=False),
)
_TYPES: Mapping[str, type[Event]] = {kind.__name__: kind for kind in Event.__args__}


@dataclass(frozen=True, slots=True)
class Entry:
    """One row: an event, its number in the run, and when it was written (UTC, ISO 8601)."""

    run: str
    seq: int
    at: str
    event: Event


class Journal:
    """Events of many runs in one database: SQLite (WAL) in the run folder, or any SQLAlchemy URL.

    Args:
        url: ``sqlite:///runs/lemonade.db``, ``postgresql+psycopg://...``.
        create: make its table if it is not there.
        listing: the command that lists its runs, as a user would type it.

    Raises:
        StoreError: the database cannot be opened.
    """

    def __init__(self, url: str | URL, *, create: bool = True, listing: str = "lemonade-es runs") -> None:
        self._where = _shown(url)
        self._listing = listing
        with self._explained():
            self._engine = _connectable(url)
            try:
                self._demand_table(create=create)
            except BaseException:
                self.close()
                raise

    def _demand_table(self, *, create: bool) -> None:
        if create:
            with self._engine.begin() as connection:
                connection.execute(CreateTable(_EVENTS, if_not_exists=True))  # another process may make it, too
            return
        _demand_file(self._engine.url, self._where)
        if not self._has_events():
            raise StoreError("there are no runs here", where=self._where, hint="run first")

    def _has_events(self) -> bool:
        try:
            return inspect(self._engine).has_table(_EVENTS.name)
        except OperationalError as error:
            unwritable = getattr(error.orig, "sqlite_errorname", "").startswith(_UNWRITABLE)
            frozen = _frozen(self._engine.url) if unwritable else None
            if frozen is None:
                raise
            self._engine.dispose()
            self._engine = frozen
            return inspect(self._engine).has_table(_EVENTS.name)

    @classmethod
    def in_folder(cls, folder: Path, *, create: bool, listing: str = "lemonade-es runs") -> Journal:
        """The journal in a run folder; ``listing`` as for any journal.

        Raises:
            StoreError: there is none and none may be made, or the folder cannot be written.
        """
        path = folder / DATABASE
        if not create and not path.is_file():
            raise StoreError("there are no runs here", where=str(folder), hint="give --out DIR, or run first")
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(
                f"cannot be made: {error.strerror}", where=str(folder), hint="choose another --out"
            ) from None
        return cls(URL.create("sqlite", database=str(path)), create=create, listing=listing)

    def close(self) -> None:
        """Give the connections back."""
        self._engine.dispose()

    def append(self, run: str, seq: int, event_: Event) -> Entry:
        """Write one event in a transaction of its own; when this returns, it is on disk.

        Raises:
            StoreError: the disk is full, the database is gone, or another process writes the same run.
        """
        entry = Entry(run, seq, datetime.now(UTC).isoformat(timespec="milliseconds"), event_)
        row = {
            "run_id": run,
            "seq": seq,
            "type": type(event_).__name__,
            "at": entry.at,
            "payload": json.dumps(to_data(event_), allow_nan=False),
        }
        with self._explained(run), self._engine.begin() as connection:
            connection.execute(insert(_EVENTS).values(**row))
        return entry

    def read(self, run: str) -> tuple[Entry, ...]:
        """All events of a run, in their order.

        Raises:
            StoreError: there is no such run, or an event cannot be read by this version.
        """
        query = select(_EVENTS).where(_EVENTS.c.run_id == run).order_by(_EVENTS.c.seq)
        with self._explained(), self._engine.connect() as connection:
            rows = connection.execute(query).all()
        if not rows:
            raise StoreError(f"there is no run {run}", where=self._where, hint=f"`{self._listing}` lists them")
        for number, row in enumerate(rows):
            if row.seq != number:
                raise StoreError(f"event {number} is missing: the record is damaged", where=f"run {run}")
        return tuple(_entry(row) for row in rows)

    def count(self, run: str) -> int:
        """How many events a run has."""
        query = select(func.count()).select_from(_EVENTS).where(_EVENTS.c.run_id == run)
        with self._explained(), self._engine.connect() as connection:
            return connection.execute(query).scalar_one()

    def runs(self) -> tuple[str, ...]:
        """The ids of all runs, oldest first; SQLite knows that even where the clock was set back between them."""
        counts = self._engine.dialect.name == "sqlite"
        began = func.min(literal_column("rowid") if counts else _EVENTS.c.at)
        query = select(_EVENTS.c.run_id).group_by(_EVENTS.c.run_id).order_by(began, _EVENTS.c.run_id)
        with self._explained(), self._engine.connect() as connection:
            return tuple(connection.execute(query).scalars())

    def find(self, name: str) -> str:
        """The run that a user means: an id, the beginning of one, or ``latest``.

        Raises:
            StoreError: none or several fit.
        """
        known = self.runs()
        if name in known:
            return name
        if name == "latest" and known:
            return known[-1]
        fitting = [run for run in known if run.startswith(name)] if name else []
        if len(fitting) == 1:
            return fitting[0]
        problem = f"{len(fitting)} runs begin with {name!r}" if fitting else f"there is no run {name!r}"
        raise StoreError(problem, where=self._where, hint=f"`{self._listing}` lists them")

    @contextmanager
    def _explained(self, run: str | None = None) -> Iterator[None]:
        try:
            yield
        except IntegrityError:
            raise StoreError(
                f"another process is writing run {run}", where=self._where, hint="wait for it, or stop it"
            ) from None
        except (SQLAlchemyError, ArgumentError, ModuleNotFoundError, OSError, ValueError) as error:
            cause = getattr(error, "orig", None) or error
            raise StoreError(
                f"the run store failed: {(str(cause).splitlines() or [type(cause).__name__])[0]}",
                where=self._where,
                hint=_cure(error, cause),
            ) from None


def _cure(error: Exception, cause: object) -> str | None:
    if getattr(cause, "sqlite_errorname", "").startswith(_TAKEN):
        return "another program holds the journal open for writing: end that, or wait"
    if isinstance(error, ArgumentError):
        return "give a URL: sqlite:///runs/lemonade.db for a file, postgresql+psycopg://HOST/DATABASE for a server"
    return "is the disk full, or the folder not writable?" if isinstance(error, OperationalError | OSError) else None


def new_run_id() -> str:
    """A fresh id that sorts by time: ``20261124-131502-3fa9``."""
    return f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{secrets.token_hex(2)}"


def started(entries: tuple[Entry, ...]) -> RunStarted:
    """The first event of a run.

    Raises:
        StoreError: the run has none.
    """
    first = entries[0].event
    if not isinstance(first, RunStarted):
        raise StoreError("its first event is missing", where=f"run {entries[0].run}")
    return first


def to_data(event_: Event) -> dict[str, Any]:
    """An event as JSON data."""
    data: dict[str, Any] = _adapter(type(event_).__name__).dump_python(event_, mode="json")
    return data


def from_data(kind: str, data: Mapping[str, Any]) -> Event:
    """The inverse of :func:`to_data`.

    Raises:
        StoreError: the data is not of that kind.
    """
    if kind not in _TYPES:
        raise StoreError(f"this version knows no event {kind!r}", hint="read it with the version that wrote it")
    try:
        event_: Event = _adapter(kind).validate_python(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"])
        raise StoreError(f"a recorded {kind} is damaged{f' at {place}' if place else ''}: {first['msg']}") from None
    return event_


@cache
def _adapter(kind: str) -> TypeAdapter[Any]:
    return TypeAdapter(_TYPES[kind])


def _entry(row: Any) -> Entry:
    try:
        data = json.loads(row.payload, parse_float=_finite, parse_constant=_finite)
        event_ = from_data(row.type, data)
    except (ValueError, RecursionError) as error:
        raise StoreError(f"event {row.seq} is damaged: {error}", where=f"run {row.run_id}") from None
    except StoreError as error:
        raise StoreError(error.message, where=f"run {row.run_id}, event {row.seq}", hint=error.hint) from None
    return Entry(row.run_id, row.seq, row.at, event_)


def _finite(text: str) -> float:
    """A number of a journal: others than finite ones are never written."""
    value = float(text)
    if not math.isfinite(value):
        raise ValueError(f"{text[:20]} is no finite number")
    return value


def _connectable(url: str | URL) -> Engine:
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        if engine.url.database in (None, "", ":memory:"):
            raise StoreError("a journal in memory is lost with the process", where=str(engine.url), hint="name a file")
        event.listen(engine, "connect", _prepare_sqlite)
    return engine


def _demand_file(url: URL, where: str) -> None:
    """A journal that is to be read must be there: SQLite would make an empty one."""
    name = url.database or ""
    if url.get_backend_name() == "sqlite" and not name.startswith("file:") and not Path(name).is_file():
        raise StoreError("there is no such journal", where=where, hint="give the URL that the run was started with")


def _prepare_sqlite(connection: Any, _record: Any) -> None:
    cursor = connection.cursor()
    for pragma in (f"busy_timeout={_BUSY_MILLISECONDS}", "synchronous=FULL"):
        cursor.execute(f"PRAGMA {pragma}")
    with suppress(sqlite3.OperationalError):  # it may only be read, or another process is at the same
        cursor.execute("PRAGMA journal_mode=WAL")
    cursor.close()


def _frozen(url: URL) -> Engine | None:
    """A database in a folder that cannot be written, as it is; ``None`` where it cannot be read without writing.

    SQLite makes files beside a database in WAL mode to read it, unless it is told that nobody changes it. What an
    interrupted process has left in such a file it would then not see.
    """
    path = Path(url.database or "")
    if url.get_backend_name() != "sqlite" or not path.is_file() or _is_filled(path.with_name(f"{path.name}-wal")):
        return None
    address = f"{path.resolve().as_uri()}?immutable=1"
    return create_engine("sqlite://", creator=lambda: sqlite3.connect(address, uri=True))


def _is_filled(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def has_secret(url: str) -> bool:
    """Whether the URL of a database may hold one: a user, a password or parameters, or what cannot be read."""
    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        return True
    return bool(parts.username or parts.password or parts.query)


def _shown(url: str | URL) -> str:
    """Where a journal is, without what may be secret."""
    try:
        parts = make_url(url)
    except (ArgumentError, ValueError):
        return "--store"
    if parts.get_backend_name() == "sqlite":
        return parts.database or ""
    host = (parts.host or "").rpartition("@")[2] or None  # a password may hold an @ that is not escaped
    return str(URL.create(parts.drivername, host=host, port=parts.port, database=parts.database))
