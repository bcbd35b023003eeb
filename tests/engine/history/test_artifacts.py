"""Files that are there whole or not at all."""

from __future__ import annotations

import os

import pytest

from lemonade_es.engine.history.artifacts import write_file


@pytest.mark.parametrize(("umask", "mode"), [(0o077, 0o600), (0o022, 0o644), (0o002, 0o664)])
def test_who_may_read_a_file_is_for_the_umask_to_say(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_file(tmp_path / "weights", b"1")
    finally:
        os.umask(before)
    assert (tmp_path / "weights").stat().st_mode & 0o777 == mode
    assert [path.name for path in tmp_path.iterdir()] == ["weights"]


def test_a_file_whose_writing_the_user_broke_off_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupted(_descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        write_file(tmp_path / "weights", b"1")
    assert list(tmp_path.iterdir()) == []
