"""Where runs lie, and the command lines that are shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from lemonade_es.engine.folder import RunFolder
from lemonade_es.errors import StoreError


@pytest.mark.parametrize(
    ("variable", "out", "told"),
    [
        (None, "runs", "lemonade-es runs"),
        (None, "else", "lemonade-es runs --out else"),
        ("else", "else", "lemonade-es runs"),
        ("else", "runs", "lemonade-es runs --out runs"),
    ],
)
def test_a_command_names_its_folder_unless_it_is_the_one_that_is_taken_anyway(monkeypatch, variable, out, told):
    monkeypatch.delenv("LEMONADE_OUT", raising=False)
    if variable is not None:
        monkeypatch.setenv("LEMONADE_OUT", variable)
    assert RunFolder(Path(out)).command("runs") == told


def test_a_run_that_is_not_there_names_the_command_that_lists_those_that_are(tmp_path):
    folder = RunFolder(tmp_path / "my runs")
    folder.journal(create=True).close()
    with pytest.raises(StoreError) as refused:
        folder.find("nosuch")
    assert refused.value.hint == f"`lemonade-es runs --out '{tmp_path}/my runs'` lists them"
