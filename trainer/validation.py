"""Validating model files: found, read, checked by several isolated processes at once, told in the order given."""

from __future__ import annotations

import os
import stat
import threading
from codecs import BOM_UTF8, getincrementaldecoder
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Literal

import numpy as np

from lemonade_es.errors import ConfigError
from lemonade_es.task import Task, TaskKind
from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.isolation.level import Wish
from lemonade_es.trainer.limits import Limits
from lemonade_es.trainer.measurement import Budget, CheckReport
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.trainer.threads import usable_cores
from lemonade_es.trainer.workshop import Workshop
from lemonade_es.wording import counted

_READ_LIMIT = 10_000_000
"""Bytes of a file that are read; the check refuses far smaller sources as too large."""
_LARGEST_SIDE = 65_536
_MOST_JOBS = 4


@dataclass(frozen=True, slots=True)
class Validation:
    """What the ladder says of one file.

    Attributes:
        file: the path, as it was given or found.
        ok: whether its network can be trained.
        stage: as in :class:`CheckReport`; ``read`` if the file could not be read.
        code: the typed reason, ``None`` if ok.
        message: what is wrong and what to do; of a sound network what is odd about it, or ``None``.
        line: of the source, 1-based, where it is known.
        params: trainable parameters, where they could be counted.
        macs: multiply-accumulates for one input, where they could be counted.
        seconds: that the check took.
    """

    file: str
    ok: bool
    stage: Literal["read", "parse", "build", "forward", "budget", "batch", "done"]
    code: str | None
    message: str | None
    line: int | None
    params: int | None
    macs: int | None
    seconds: float | None


def input_task(shape: Sequence[int], classes: int, vocabulary: int | None = None) -> Task:
    """The task that networks are validated for.

    Args:
        shape: ``(C, H, W)`` of an image, ``(L,)`` of a token sequence, or ``(F,)`` features of a table's row.
        classes: how many logits a network must return; 1 for a number that is predicted from features.
        vocabulary: one more than the largest token, for token sequences alone.

    Raises:
        ConfigError: these do not go together, or cannot be.
    """
    if len(shape) not in (1, 3) or not all(1 <= side <= _LARGEST_SIDE for side in shape):
        raise ConfigError(
            f"an input of shape {','.join(map(str, shape))} is neither an image nor a sequence nor a row of a table",
            where="--input-shape",
            hint="give C,H,W for images, as in 3,32,32, L with --vocabulary for tokens, or F for features",
        )
    predicts = classes == 1 and len(shape) == 1 and vocabulary is None
    if classes < 2 and not predicts:
        raise ConfigError(
            f"in {counted(classes, 'class')} there is nothing to tell apart",
            where="--classes",
            hint="give 2 or more; 1, a number to predict, goes with F features",
        )
    if vocabulary is not None and (vocabulary < 2 or len(shape) != 1):
        raise ConfigError(
            f"a vocabulary of {vocabulary} does not go with an input of shape {','.join(map(str, shape))}",
            where="--vocabulary",
            hint="give --input-shape L and a vocabulary of 2 or more for tokens, or leave --vocabulary out",
        )
    kind: TaskKind = "image" if len(shape) == 3 else "table" if vocabulary is None else "text"
    return Task(kind, "validation", tuple(shape), classes, vocabulary, "regression" if predicts else "classification")


def found(paths: Sequence[Path]) -> list[Path]:
    """The files to validate: files as they are, folders replaced by their ``*.py``, sorted, at any depth.

    A folder without any stays, for its verdict to say so. Folders that begin with a dot are not entered, nor
    are links to folders.
    """
    files: list[Path] = []
    for path in paths:
        inside = sorted(_python_files(path)) if path.is_dir() else []
        files.extend(inside or [path])
    return files


def default_jobs() -> int:
    """How many files to check at once: one for each processor core, at most four, as each takes memory."""
    return min(usable_cores(), _MOST_JOBS)


def validate(
    files: Sequence[Path],
    task: Task,
    budget: Budget = Budget(),  # noqa: B008  (frozen)
    *,
    jobs: int,
    seconds: float = Limits().check_seconds,
    isolation: Wish = "auto",
    container_image: str | None = None,
    unsafe_no_isolation: bool = False,
) -> Generator[Validation, None, None]:
    """Takes files up the ladder's steps 3 to 6; a file that cannot be read gets a verdict like any other.

    Each job is a thread with a workshop of its own, so at most ``jobs`` candidates run at once. Closing the
    iterator early, or an interrupt, ends them at once.

    Args:
        files: as :func:`found` gives them.
        task: what the networks are for.
        budget: bounds that they must keep.
        jobs: how many to check at once.
        seconds: that one check may take.
        isolation: the level to keep, or ``auto`` for the best that this machine proves.
        container_image: for the level ``container``, instead of the default image.
        unsafe_no_isolation: go on where sources cannot be isolated.

    Yields:
        A verdict for each file, in the order of ``files``, each as soon as all before it are there.

    Raises:
        IsolationError: the sources cannot be isolated, or no isolated process can be had.
    """

    def opened() -> Workshop:
        return Workshop(
            _nearly_no_data(task),
            Recipe(),
            device="cpu",
            limits=Limits(check_seconds=seconds),
            isolation=isolation,
            container_image=container_image,
            unsafe_no_isolation=unsafe_no_isolation,
        )

    pool = _Pool(files, budget)
    try:
        for _ in range(max(1, min(jobs, len(files)))):
            pool.hire(opened())
        yield from pool.verdicts()
    finally:
        pool.dismiss()


class _Pool:
    """Workshops, a thread for each, that take files from one queue."""

    def __init__(self, files: Sequence[Path], budget: Budget) -> None:
        self._files = files
        self._budget = budget
        self._waiting: SimpleQueue[tuple[int, Path]] = SimpleQueue()
        for entry in enumerate(files):
            self._waiting.put(entry)
        self._done: SimpleQueue[tuple[int, Validation] | BaseException] = SimpleQueue()
        self._workshops: list[Workshop] = []
        self._threads: list[threading.Thread] = []
        self._dismissed = threading.Event()

    def hire(self, workshop: Workshop) -> None:
        """One more workshop; its isolated process starts now."""
        try:
            workshop.start()
        except BaseException:
            workshop.close()
            raise
        thread = threading.Thread(target=self._work, args=(workshop,), daemon=True)
        self._workshops.append(workshop)
        self._threads.append(thread)
        thread.start()

    def verdicts(self) -> Iterator[Validation]:
        """All of them, in the order of the files."""
        early: dict[int, Validation] = {}
        for number in range(len(self._files)):
            while number not in early:
                result = self._done.get()
                if isinstance(result, BaseException):
                    raise result
                early[result[0]] = result[1]
            yield early.pop(number)

    def dismiss(self) -> None:
        """Ends all that is under way."""
        self._dismissed.set()
        for workshop in self._workshops:
            workshop.abort()
        for thread in self._threads:
            thread.join()

    def _work(self, workshop: Workshop) -> None:
        try:
            while not self._dismissed.is_set():
                number, path = self._waiting.get_nowait()
                self._done.put((number, self._verdict(workshop, path)))
        except Empty:
            pass
        except BaseException as error:  # noqa: BLE001  (raised again where the verdicts are read)
            self._done.put(error)
        finally:
            workshop.close()

    def _verdict(self, workshop: Workshop, path: Path) -> Validation:
        try:
            source = _read(path)
        except _Unreadable as unreadable:
            return Validation(str(path), False, "read", unreadable.code, str(unreadable), None, None, None, None)
        return _told(path, workshop.check(source, self._budget))


class _Unreadable(Exception):  # noqa: N818  (becomes a verdict)
    """Why a file gives no source."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def _read(path: Path) -> str:
    try:
        if path.is_dir():
            raise _Unreadable("NO_FILES", "The folder holds no file *.py.")
        if not stat.S_ISREG(path.stat().st_mode):
            raise _Unreadable("UNREADABLE", "It is no regular file.")
        with path.open("rb") as file:
            content = file.read(_READ_LIMIT)
    except OSError as error:
        code = "NO_SUCH_FILE" if isinstance(error, FileNotFoundError) else "UNREADABLE"
        raise _Unreadable(code, f"It cannot be read: {error.strerror or error}.") from None
    except ValueError as error:  # a NUL in the name
        raise _Unreadable("NO_SUCH_FILE", f"It cannot be read: {error}.") from None
    whole, content = len(content) < _READ_LIMIT, content.removeprefix(BOM_UTF8)
    try:
        return getincrementaldecoder("utf-8")().decode(content, whole)  # what is cut off may end in part of a letter
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise _Unreadable("NOT_UTF8", f"Line {line} is not UTF-8; save the file in that encoding.") from None


def _told(path: Path, report: CheckReport) -> Validation:
    return Validation(
        file=str(path),
        ok=report.ok,
        stage=report.stage,
        code=report.code,
        message=report.message,
        line=report.line,
        params=report.parameters,
        macs=report.macs,
        seconds=round(report.seconds, 4),
    )


def _python_files(folder: Path) -> Iterator[Path]:
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        yield from (Path(place, name) for name in names if name.endswith(".py"))


def _nearly_no_data(task: Task) -> Dataset:
    """What a workshop must have, nearly nothing, as it is written for each job: a check makes its own batches."""
    inputs = np.zeros((1, 1), np.uint8)
    labels = np.zeros(1, np.int64)
    return Dataset(
        task=task,
        train=inputs,
        train_labels=labels,
        validation=inputs,
        validation_labels=labels,
        class_names=(),
        mean=(),
        std=(),
        flip=False,
        fingerprint="",
        test_count=0,
    )
