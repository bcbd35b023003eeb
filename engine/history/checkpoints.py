"""Checkpoints of a final training: two files in a folder, the second of which makes the first one count."""

from __future__ import annotations

import hashlib
import shutil
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from lemonade_es.engine.history.artifacts import write_file
from lemonade_es.errors import StoreError
from lemonade_es.trainer.trials.final_trial import Progress

_TOLD = "progress.json"


@dataclass(frozen=True, slots=True)
class _Told:
    """What a checkpoint's JSON file holds.

    Attributes:
        tensors: their file.
        sha256: of what must be in it.
        progress: what the training told.
        anew: whether it was begun with ``--anew`` and has not failed since; checkpoints of old do not say.
    """

    tensors: str
    sha256: str
    progress: Progress
    anew: bool = False


_ADAPTER = TypeAdapter(_Told)


@dataclass(frozen=True, slots=True)
class FolderCheckpoints:
    """The checkpoint of one training, in a folder of its own.

    Attributes:
        path: of the folder; it is made when the first checkpoint is kept.
        anew: the mark of what is kept from now on: that the training was begun with ``--anew``.
    """

    path: Path
    anew: bool = False

    def load(self) -> tuple[Progress, bytes] | None:
        """The last checkpoint, or ``None``.

        Raises:
            StoreError: it cannot be read or is damaged.
        """
        told = self._told()
        if told is None:
            return None
        path = self.path / told.tensors
        try:
            content = path.read_bytes()
        except OSError as error:
            raise self._damaged(error.strerror or str(error), path) from None
        if hashlib.sha256(content).hexdigest() != told.sha256:
            raise self._damaged("it was changed or is damaged", path)
        return told.progress, content

    def progress(self) -> Progress | None:
        """What the training of the last checkpoint told, without its tensors; ``None`` if there is no checkpoint.

        Raises:
            StoreError: it cannot be read or is damaged.
        """
        told = self._told()
        return None if told is None else told.progress

    def begun_anew(self) -> bool:
        """Whether the last checkpoint bears the mark.

        Raises:
            StoreError: it cannot be read or is damaged.
        """
        told = self._told()
        return told is not None and told.anew

    def failed(self) -> None:
        """Takes the mark away: the next ``--anew`` begins from the start, and does not take up what failed.

        Raises:
            StoreError: the checkpoint cannot be read, or the folder cannot be written.
        """
        told = self._told()
        if told is not None and told.anew:
            write_file(self.path / _TOLD, _ADAPTER.dump_json(replace(told, anew=False)))

    def save(self, progress: Progress, standing: bytes) -> None:
        """Keeps a checkpoint; whenever the process ends, the old one or the new one is there as a whole.

        Raises:
            StoreError: the disk is full, or the folder cannot be written.
        """
        digest = hashlib.sha256(standing).hexdigest()
        name = f"epoch-{len(progress.epochs):06d}-{digest[:8]}.safetensors"
        write_file(self.path / name, standing)
        write_file(self.path / _TOLD, _ADAPTER.dump_json(_Told(name, digest, progress, self.anew)))
        with suppress(OSError):  # an old one does no harm
            for path in self.path.iterdir():
                if path.name not in {name, _TOLD}:
                    path.unlink(missing_ok=True)

    def forget(self) -> None:
        """Takes the checkpoint away."""
        shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):  # others are kept there too
            self.path.parent.rmdir()

    def _told(self) -> _Told | None:
        path = self.path / _TOLD
        try:
            return _ADAPTER.validate_json(path.read_bytes())
        except FileNotFoundError:
            return None
        except (OSError, ValidationError) as error:
            reason = getattr(error, "strerror", None) or "it is not what was written"
            raise self._damaged(reason, path) from None

    @staticmethod
    def _damaged(reason: str, path: Path) -> StoreError:
        return StoreError(
            f"the checkpoint cannot be read: {reason}", where=str(path), hint="--anew trains from the beginning"
        )
