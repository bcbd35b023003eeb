"""The README's explanations: what they say that no machine changes is what a search says today."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from lemonade_es.cli import main

README = (Path(__file__).resolve().parents[2] / "README.md").read_text(encoding="utf-8")
EXPLANATIONS = re.findall(r"^```\n\$ (lemonade-es explain [^\n]*)\n(.*?)^```", README, re.M | re.S)
ALIKE_EVERYWHERE = re.compile(
    r"  \d+\. \S+  \(|   \d\.\d{3}  [A-Z]+  |  [+-] |  concluded: |[ │├└─]*✗ \S+ did not fire"
)
"""How lines begin that tell of no accuracy, time or energy: rules, instructions, what the executor did."""


def lasting(text: str) -> list[str]:
    """The lines that tell of nothing measured; rules without their number, for a slow machine has one more of them."""
    return [re.sub(r"^  \d+\.", "", line) for line in text.splitlines() if ALIKE_EVERYWHERE.match(line)]


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs")
    done = CliRunner().invoke(main, ["run", "--iterations", "2", "--device", "cpu", "--out", str(folder)])
    assert done.exit_code == 0, done.output
    return folder


def test_there_are_explanations_in_the_readme():
    assert len(EXPLANATIONS) == 2
    assert all(len(lasting(told)) >= 2 for _, told in EXPLANATIONS)


@pytest.mark.slow
@pytest.mark.parametrize(("command", "told"), EXPLANATIONS)
def test_an_explanation_of_the_readme_is_what_the_command_prints(command, told, out):
    done = CliRunner().invoke(main, [*shlex.split(command)[1:], "--out", str(out)])
    assert done.exit_code == 0, done.output
    printed = lasting(done.output)
    missing = [line for line in lasting(told) if line not in printed]
    assert not missing, f"`{command}` does not print that"
