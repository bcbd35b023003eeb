"""The beginning of a rulebook that extends another names what is there."""

from __future__ import annotations

import shlex

import pytest

from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook, shipped
from lemonade_es.rules.template import new_rulebook

OWN = """\
rulebook: own
version: 1
combine: max
instructions:
  GROW: {text: Grow, conflicts_with: SHRINK}
  SHRINK: {text: Shrink, conflicts_with: GROW}
rules:
  - {id: low, when: V_Acc < TV_Acc, conclude: low}
  - {id: up, when: low, weight: 1, instruct: [GROW]}
  - {id: down, when: not low, weight: 1, instruct: [SHRINK]}
"""


def test_the_comments_name_rules_and_instructions_of_the_extended_rulebook():
    text = new_rulebook("mine", "own.yaml", "mine.yaml", parse_rulebook(OWN, "own.yaml"))
    assert "# drop: [down] " in text
    assert "of two opposite instructions (GROW, SHRINK) the heavier wins" in text
    assert "rules for one instruction are not added up: the largest counts" in text


@pytest.mark.parametrize("name", shipped())
def test_what_the_comments_propose_can_be_done(name):
    text = new_rulebook("mine", name, "mine.yaml", load_rulebook(find_rulebook(name)))
    extended = parse_rulebook(text.replace("# drop:", "drop:").replace("# max_instr", "max_instr"), "mine.yaml")
    assert extended.max_instructions == 3
    assert len(extended.rules) == len(load_rulebook(find_rulebook(name)).rules)  # one more, and one less


@pytest.mark.parametrize("file", ["my rules #2.yaml", "it's: mine.yaml", "12.yaml", "eigene Regeln.yaml", "~.yaml"])
def test_whatever_the_extended_file_is_called_the_template_checks_and_its_commands_can_be_typed(tmp_path, file):
    (tmp_path / file).write_text(OWN, encoding="utf-8")
    made = tmp_path / "mine.yaml"
    text = new_rulebook("mine", file, str(made), load_rulebook(tmp_path / file))
    made.write_text(text, encoding="utf-8")
    assert {rule.id for rule in load_rulebook(made).rules} >= {"low", "up", "down"}
    shown = next(line for line in text.splitlines() if "rulebook show" in line)
    assert shlex.split(shown, comments=False)[1:5] == ["lemonade-es", "rulebook", "show", file]
