"""What is said of a whole part that stands in the wrong place or form, and of a file that is no text."""

from __future__ import annotations

import pytest

from lemonade_es.errors import RulebookError
from lemonade_es.rules.load import load_rulebook
from tests.rules.refusals import HEAD, told

RULE = "  - {id: one, when: V_Acc < 0.5, weight: 1, instruct: [ACL]}\n"


@pytest.mark.parametrize(
    ("instruct", "cure"),
    [
        ("(ACL, RCL)", "write [ACL, RCL]"),
        ("[ACL RCL]", "write [ACL, RCL]"),
        ("[ACL; RCL]", "write [ACL, RCL]"),
        ("[Reduce convolutional layers]", "did you mean RCL?"),
    ],
)
def test_instructions_in_another_form_are_told_how_to_be_written(instruct, cure):
    head = HEAD.replace("rules:", "  RCL: {text: Reduce convolutional layer}\nrules:")
    lines = told(f"{head}  - id: one\n    when: V_Acc < 0.5\n    weight: 1\n    instruct: {instruct}\n")
    assert lines[-1].endswith(f"; {cure}")


def test_a_setting_that_is_not_indented_is_told_where_it_belongs():
    first, second = told(f"{HEAD}{RULE}thresholds:\nTP: {{default: 5}}\n")
    assert first.endswith(
        "thresholds must be a mapping, found nothing; indent what belongs to it below it, or remove it"
    )
    assert second.endswith("'TP' is not a key here; it is a threshold: move it to thresholds, indented")


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        (f"{HEAD}{RULE}description: small\n", "did you mean about?"),
        (f"{HEAD}{RULE}thresholds: {{OT: {{range: 0.1-0.3}}}}\n", "write its two ends, as [0.5, 0.99]"),
        (f"{HEAD}{RULE}{RULE}", "'one' is already the rule of line 6; give one of the two another name"),
        ("id;when;weight\nlow;V_Acc < 0.5;1\n", "`lemonade-es rulebook new mine.yaml` makes a beginning"),
        (
            f"{HEAD}{RULE}tests: [{{name: low, given: {{V_Acc: 0.4}}, expect: {{instructions: {{ACL: 1,0}}}}}}]\n",
            "no instruction is called '0'; if it ends a number, write that with a point, as 0.5",
        ),
        (
            f'{HEAD}{RULE[:-2]}, because: "{{V_Acc:.1% is low"}}\n',
            "a { or a } has no partner; a value is shown as {V_Acc:.1%}; write {{ and }} for braces",
        ),
    ],
)
def test_a_part_in_another_form_is_told_with_its_cure(text, cure):
    assert any(line.endswith(cure) for line in told(text))


TEST = "tests:\n  - name: low\n    given: {V_Acc: 0.4}\n    expect: "


@pytest.mark.parametrize(
    ("text", "cure"),
    [
        (f"{HEAD}  - one:\n      when: V_Acc < 0.5\n", "write `id: one`, and what stands below it in the same column"),
        (f"{HEAD}  - id: one\n  - when: V_Acc < 0.5\n", "if it belongs to the rule above, leave out its hyphen"),
        (f"{HEAD}{RULE}{TEST}one\n", "write what is expected, as {fired: [low]}"),
        (f"{HEAD}{RULE}{TEST}{{one: true}}\n", "write what is expected of it, as {fired: [one]}"),
        (f"{HEAD}{RULE}{TEST.replace('given', 'when')}{{fired: [one]}}\n", "did you mean given?"),
        (f"{HEAD}{RULE}{TEST.replace('expect', 'then')}{{fired: [one]}}\n", "did you mean expect?"),
        (f"{HEAD}{RULE.replace('[ACL]', '[ACL - RCL]')}", "write [ACL, RCL]"),
        (
            f"{HEAD}{RULE[:-2]}, conclude: weak}}\n{RULE.replace('one', 'two').replace('V_Acc < 0.5', 'weak == 1')}",
            "weak is a conclusion, which is true or false, no number; it stands alone: `weak`, `not weak`",
        ),
        (
            f"{HEAD}{RULE}".replace("{text: Add}", "{text: Add, conflicts_with: RCL}"),
            "ACL conflicts with RCL, which names no conflict; conflicts must be mutual: give RCL `conflicts_with: ACL`",
        ),
    ],
)
def test_parts_that_are_put_together_otherwise_are_told_how_to_be(text, cure):
    text = text.replace("rules:", "  RCL: {text: Reduce}\nrules:")
    assert any(line.endswith(f" {cure}") for line in told(text))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"PK\x03\x04\x14\x00\x00\x00\xc6", "a document of a word processor or of a spreadsheet"),
        ("rulebook: mine\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_a_document_that_is_no_text_is_told_what_it_is(data, kind, tmp_path):
    file = tmp_path / "mine.yaml"
    file.write_bytes(data)
    with pytest.raises(RulebookError) as caught:
        load_rulebook(file)
    (problem,) = caught.value.problems
    assert str(problem) == f"{file}:1:1 NOT_TEXT this is {kind}; save it as plain text in UTF-8"
