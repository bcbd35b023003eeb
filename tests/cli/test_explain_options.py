"""Options of `explain` that do not go together are refused before anything is read."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from lemonade_es.cli import main


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--json", "--format", "text"], "two forms"),
        (["--why", "ACL", "--json", "--format", "mermaid"], "two forms"),
        (["--replay", "--format", "mermaid"], "draws the answer"),
        (["--why", "ACL", "--source"], "goes with no question"),
        (["--replay", "--source"], "goes with no question"),
        (["--why", "ACL", "--replay"], "one at a time"),
    ],
)
def test_what_does_not_go_together_is_told(words, told):
    done = CliRunner().invoke(main, ["explain", "latest", *words])
    assert done.exit_code == 2
    assert told in done.output
