"""Checkpoints in a folder: whole or not there, and never one that is not what was kept."""

from __future__ import annotations

import pytest

from lemonade_es.engine.history.checkpoints import FolderCheckpoints
from lemonade_es.errors import StoreError
from lemonade_es.trainer.measurement import Energy, Epoch
from lemonade_es.trainer.trials.final_trial import CurvePoint, Progress


def told(epochs):
    energy = Energy(1.5, 2.0, "estimated", "a model", "process", 0.75)
    points = (CurvePoint(1, 0.5, None, 0.25, 1.0),)
    return Progress("cpu", (Epoch(0.5, 0.1),) * epochs, points, energy, 3.0, (1,), "bf16")


@pytest.fixture
def kept(tmp_path):
    return FolderCheckpoints(tmp_path / "checkpoints" / "ab12")


def test_what_was_kept_last_comes_back_and_nothing_else_stays(kept):
    assert kept.load() is None
    kept.save(told(1), b"first")
    (kept.path / ".new-left").write_bytes(b"of a process that was killed while it wrote")
    kept.save(told(2), b"second")
    assert kept.load() == (told(2), b"second")
    assert kept.progress() == told(2)
    assert len(list(kept.path.iterdir())) == 2
    kept.forget()
    assert kept.load() is None
    assert not kept.path.parent.exists()


def test_a_kill_between_the_two_files_leaves_the_checkpoint_before(kept, monkeypatch):
    kept.save(told(1), b"first")
    write = FolderCheckpoints.save.__globals__["write_file"]

    def killed(path, content):
        if path.suffix == ".json":
            raise KeyboardInterrupt
        write(path, content)

    monkeypatch.setitem(FolderCheckpoints.save.__globals__, "write_file", killed)
    with pytest.raises(KeyboardInterrupt):
        kept.save(told(2), b"second")
    assert kept.load() == (told(1), b"first")


@pytest.mark.parametrize("name", ["progress.json", "*.safetensors"])
@pytest.mark.parametrize("content", [b"", b"something else"])
def test_a_checkpoint_that_was_changed_is_refused_with_the_way_out(kept, name, content):
    kept.save(told(1), b"standing")
    next(kept.path.glob(name)).write_bytes(content)
    with pytest.raises(StoreError, match=r"the checkpoint cannot be read.*--anew"):
        kept.load()


def test_a_folder_that_cannot_be_written_is_said_to_be_so(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match="cannot be written"):
        FolderCheckpoints(tmp_path / "file" / "ab12").save(told(1), b"")
