"""A command that reads a run leaves its journal closed."""

from __future__ import annotations

import gc
from pathlib import Path

import pytest
from click.testing import CliRunner

from lemonade_es.cli import main


def databases():
    """The journals that this process has open."""
    links = [path.readlink() for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    return [link for link in links if "lemonade.db" in link.name]


@pytest.fixture
def _nothing_is_collected():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("_nothing_is_collected")
@pytest.mark.parametrize(
    "words",
    [
        ["explain", "latest"],
        ["prompt", "latest", "--iteration", "2"],
        ["runs"],
        ["runs", "show", "latest"],
        ["rulebook", "whatif", "lemonade", "--from", "latest"],
        ["rulebook", "diff", "lemonade", "lemonade", "--against", "latest"],
        ["rulebook", "backtest", "lemonade", "latest"],
        ["rulebook", "efficacy", "latest"],
        ["rulebook", "tune", "latest"],
    ],
)
def test_a_command_closes_the_journal_that_it_reads(finished, words):
    command, _ = finished
    CliRunner().invoke(main, words, env={"LEMONADE_OUT": str(command.folder / "runs")})
    assert databases() == []
