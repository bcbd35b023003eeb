"""`lemonade-es rulebook new`: the template that a domain expert begins with."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from lemonade_es.rules.load import shipped

SMALL = """\
rulebook: small
version: 1
instructions:
  ACL: {text: Add convolutional layer}
rules:
  - {id: low, when: V_Acc < TV_Acc, weight: PV_Acc, instruct: [ACL], because: low}
"""


@pytest.mark.parametrize(
    "options", [[], ["--standalone"], *(["--extends", name] for name in (*shipped(), "small.yaml"))], ids=" ".join
)
def test_a_new_rulebook_checks_without_a_warning_and_passes_its_tests(rulebook, options):
    Path("small.yaml").write_text(SMALL)
    done = rulebook("new", "mine.yaml", *options)
    assert done.exit_code == 0
    assert "rulebook check mine.yaml" in done.output
    checked = rulebook("check", "mine.yaml", "--strict", "--json")
    assert checked.exit_code == 0, checked.output
    assert "${" not in Path("mine.yaml").read_text()
    tested = rulebook("test", "mine.yaml")
    assert tested.exit_code == 0, tested.output


def test_a_new_rulebook_whose_name_is_a_number_checks(rulebook):
    for name in ("2026.yaml", "1e5.yaml", "true.yaml"):
        assert rulebook("new", name).exit_code == 0
        assert rulebook("check", name).exit_code == 0


def test_a_new_rulebook_on_one_that_has_all_that_the_template_would_add_leaves_it_in_comments(rulebook):
    rulebook("new", "one.yaml", "--extends", "edge")
    rulebook("new", "two.yaml", "--extends", "one.yaml")
    assert "# rules:" in Path("two.yaml").read_text()
    assert rulebook("check", "two.yaml", "--strict").exit_code == 0


def test_a_new_rulebook_is_printed_where_no_file_is_named(rulebook):
    assert rulebook("new").output.startswith("# mine: all the rules of lemonade, and yours.")


def test_the_next_command_can_be_copied_whole(rulebook):
    Path("my rules").mkdir()
    assert rulebook("new", "my rules/mine.yaml").output.endswith("rulebook check 'my rules/mine.yaml'\n")


def test_a_new_rulebook_builds_on_a_file_of_ones_own(rulebook):
    rulebook("new", "base.yaml")
    Path("sub").mkdir()
    assert rulebook("new", "sub/mine.yaml", "--extends", "base.yaml").exit_code == 0
    assert f"extends: {os.path.join('..', 'base.yaml')}\n" in Path("sub/mine.yaml").read_text()  # noqa: PTH118
    checked = json.loads(rulebook("check", "sub/mine.yaml", "--json").output)
    assert checked["files"][0]["usable"]


@pytest.mark.parametrize(
    ("entries", "rule"),
    [
        ("max_instructions: 1\n", "  - id: uneven-classes"),
        ("rules: [{id: always, when: 1 > 0, weight: 1, instruct: [RK, ACL]}]\n", "#   - id: uneven-classes"),
        ("rules: [{id: fine, when: F > 1, weight: 1, instruct: [RK, ACL]}]\n", "  - id: too-many-parameters"),
    ],
)
def test_the_sample_of_a_new_rulebook_passes_its_tests_whatever_the_extended_one_does(rulebook, entries, rule):
    Path("base.yaml").write_text(f"rulebook: base\nversion: 1\nextends: lemonade\ndrop_tests: all\n{entries}")
    assert rulebook("new", "mine.yaml", "--extends", "base.yaml").exit_code == 0
    assert rule in Path("mine.yaml").read_text().splitlines()
    assert rulebook("test", "mine.yaml").exit_code == 0


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["there.yaml"], "there is such a file already"),
        (["mine"], "a rulebook's name ends in .yaml (write mine.yaml)"),
        (["no/folder.yaml"], "cannot be written"),
        (["my rules.yaml"], "a rulebook cannot be called 'my rules'"),
        (["mine.yaml", "--extends", "lemonad"], "did you mean lemonade?"),
        (["mine.yaml", "--extends", "missing.yaml"], "there is no file 'missing.yaml'"),
        (["mine.txt"], "write mine.yaml"),
        (["mine.yaml", "--extends", "edge", "--standalone"], "not both"),
    ],
)
def test_a_new_rulebook_that_cannot_be_is_refused_and_nothing_is_written(rulebook, words, told):
    Path("there.yaml").write_text("mine")
    done = rulebook("new", *words)
    assert done.exit_code == 2
    assert told in done.output
    assert {path.name for path in Path().iterdir()} == {"there.yaml"}
    assert Path("there.yaml").read_text() == "mine"


def test_a_new_rulebook_cannot_be_called_like_a_shipped_one(rulebook):
    done = rulebook("new", "edge.yaml", "--extends", "edge")
    assert done.exit_code == 2
    assert "a shipped rulebook has this name" in done.output
    assert not Path("edge.yaml").exists()
