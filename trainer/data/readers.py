"""Work on each of many files at once: by processes where there are thousands, else by threads.

Pillow releases the interpreter's lock while it decodes, but a small image takes longer to open than to decode: threads
then wait for each other, and are slower than one alone.
"""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from mmap import mmap
from multiprocessing.connection import Connection
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from lemonade_es.errors import DataError
from lemonade_es.trainer.data.decoding import BROKEN
from lemonade_es.trainer.threads import usable_cores

if TYPE_CHECKING:
    from multiprocessing.context import ForkProcess

    import numpy as np
    from numpy.typing import NDArray

T = TypeVar("T")

Failure = tuple[Path, str]
"""A file that cannot be read, and why."""

Done = tuple[list[T], list[Failure]]

_SIGNALS = (signal.SIGINT, signal.SIGTERM)

_CHUNK = 64
_MOST_READERS = 32
_WORTH_PROCESSES = 2048
"""Files; for fewer, processes take longer to start than they save."""


def shared_array(shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """An array of zeros that processes begun later write to as well."""
    import numpy as np

    return np.frombuffer(mmap(-1, max(1, math.prod(shape))), np.uint8, math.prod(shape)).reshape(shape)


def each(work: Callable[[int], T], files: Sequence[Path]) -> Done[T]:
    """``work`` on the index of every file: the results, in order, and the files that it failed on.

    Args:
        work: what it changes is seen outside of it in a :func:`shared_array` alone.
        files: which ``work`` reads; it may raise any of :data:`BROKEN`.

    Raises:
        DataError: a process that read files was killed.
    """
    shares = _Shares(work, files)
    readers = min(_MOST_READERS, usable_cores())
    starts = range(0, len(files), _CHUNK)
    if sys.platform == "linux" and readers > 1 and len(files) >= _WORTH_PROCESSES:
        chunks = _in_processes(shares, starts, readers)
    else:
        with ThreadPoolExecutor(readers) as pool:
            chunks = list(pool.map(shares.chunk, starts))
    return (
        [result for results, _ in chunks for result in results],
        [failure for _, failures in chunks for failure in failures],
    )


class _Shares(Generic[T]):
    """The files, in chunks."""

    def __init__(self, work: Callable[[int], T], files: Sequence[Path]) -> None:
        self._work = work
        self._files = files

    def chunk(self, start: int) -> Done[T]:
        results: list[T] = []
        failures: list[Failure] = []
        for index in range(start, min(start + _CHUNK, len(self._files))):
            try:
                results.append(self._work(index))
            except BROKEN as error:
                failures.append((self._files[index], _reason(error)))
        return results, failures

    def serve(self, starts: Sequence[int], outlet: Connection, inlets: Sequence[Connection]) -> None:
        """What one process does; it ends at once, without what an interpreter does at its end.

        That would write what the parent had left to write, and wait for locks of threads that are not here.
        """
        code = 1
        for inlet in inlets:  # as long as a reader holds them, none is told that the parent has gone
            inlet.close()
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent is told as well, and ends its readers
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)
        try:
            try:
                outlet.send([self.chunk(start) for start in starts])
            except Exception as error:  # noqa: BLE001 - whatever it is, the parent raises it
                outlet.send(error)
            code = 0
        finally:
            os._exit(code)


def _in_processes(shares: _Shares[T], starts: Sequence[int], count: int) -> list[Done[T]]:
    """The chunks, in order; each process has every ``count``-th one."""
    chunks: list[Done[T]] = [([], []) for _ in starts]
    with _readers(shares, [starts[who::count] for who in range(count)]) as readers:
        for who, (process, inlet) in enumerate(readers):
            try:
                found = inlet.recv()
            except EOFError:
                process.join()
                raise DataError(
                    f"a process that read images was ended ({_told(process.exitcode)})",
                    hint="killed processes most often mean that memory ran out: --limit N takes fewer images",
                ) from None
            if isinstance(found, Exception):
                raise found
            chunks[who::count] = found
    return chunks


@contextmanager
def _readers(shares: _Shares[T], parts: Sequence[Sequence[int]]) -> Iterator[list[tuple[ForkProcess, Connection]]]:
    """Processes that are at work; none is left when the block ends."""
    context = multiprocessing.get_context("fork")
    readers: list[tuple[ForkProcess, Connection]] = []
    try:
        for part in parts:
            inlet, outlet = context.Pipe(duplex=False)
            inlets = [*(other for _, other in readers), inlet]
            process = context.Process(target=shares.serve, args=(part, outlet, inlets), daemon=True)
            readers.append((process, inlet))
            with _held_back():
                process.start()
            outlet.close()
        yield readers
    finally:
        for process, inlet in readers:
            inlet.close()
            if process.pid is not None:
                process.terminate()
                process.join()


@contextmanager
def _held_back() -> Iterator[None]:
    """Signals wait: a process that is ended before it has its own handlers would go on with those of its parent."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _told(code: int | None) -> str:
    """How a process ended."""
    return f"signal {-code}" if code is not None and code < 0 else f"exit code {code}"


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()  # without the path, which stands beside it
    return str(error) or type(error).__name__
