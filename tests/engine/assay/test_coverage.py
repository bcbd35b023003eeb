"""What the tests of a rulebook cover."""

from __future__ import annotations

from lemonade_es.engine.assay.coverage import cover
from lemonade_es.engine.expert.selftest import observe
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook

BOOK = """\
rulebook: b
version: 1
instructions:
  ACL: {text: Add, conflicts_with: RCL, changes: conv_layers, direction: increase}
  RCL: {text: Reduce, conflicts_with: ACL, changes: conv_layers, direction: reduce}
rules:
  - {id: state, when: T_Acc - V_Acc > OT, conclude: wide, because: x}
  - {id: low, when: V_Acc < TV_Acc and not wide, weight: 1, instruct: [ACL], because: x}
  - {id: slow, when: "F < TF or 0 < P < TP", weight: 2, instruct: [RCL], because: x}
  - id: folded
    when: >-
      failed
      or nonfinite
    weight: 1
    instruct: [RCL]
    because: x
tests:
"""


def covered(*tests):
    rulebook = parse_rulebook(BOOK + "".join(f"  - {test}\n" for test in tests), "b.yaml")
    found = cover(rulebook, observe(rulebook))
    return found, {rule.rule: rule for rule in found.rules}, {atom.text: atom for atom in found.atoms}


def test_a_rule_is_covered_if_it_fires_and_a_test_would_notice_if_it_did_not():
    _, rules, _ = covered(
        "{name: a, given: {T_Acc: 0.6, V_Acc: 0.5}, expect: {instructions: {ACL: 1}}}",
        "{name: b, given: {F: 1}, expect: {not_fired: [state]}}",
    )
    assert (rules["low"].fired, rules["low"].checked, rules["low"].covered) == (1, "instruction", True)
    assert (rules["state"].fired, rules["state"].checked, rules["state"].covered) == (0, "name", False)
    assert (rules["slow"].fired, rules["slow"].checked, rules["slow"].covered) == (1, None, False)


def test_an_instruction_checks_a_rule_only_in_a_test_in_which_it_fires():
    _, rules, _ = covered("{name: a, given: {T_Acc: 0.6, V_Acc: 0.5}, expect: {absent: [RCL]}}")
    assert rules["slow"].checked is None
    assert rules["low"].checked is None


def test_that_no_rule_fires_checks_each_and_that_nothing_is_left_those_that_fire():
    _, rules, _ = covered("{name: a, given: {F: 1e6}, expect: {fired: []}}")
    assert {rule.checked for rule in rules.values()} == {"name"}
    _, rules, _ = covered("{name: a, given: {T_Acc: 0.6, V_Acc: 0.5, TV_Acc: 0.9}, expect: {instructions: {}}}")
    assert {name: rule.checked for name, rule in rules.items()} == dict.fromkeys(rules, None) | {"low": "instruction"}


def test_atoms_are_counted_true_false_and_unknown():
    _, _, atoms = covered(
        "{name: a, given: {T_Acc: 0.9, V_Acc: 0.5}, expect: {fired: [state]}}",
        "{name: b, given: {T_Acc: 0.6, V_Acc: 0.5}, expect: {not_fired: [state]}}",
        "{name: c, given: {V_Acc: 0.5}, expect: {not_fired: [low]}}",
    )
    counts = {text: (atom.true, atom.false, atom.unknown) for text, atom in atoms.items()}
    assert counts["T_Acc - V_Acc > OT"] == (1, 1, 1)
    assert counts["V_Acc < TV_Acc"] == (3, 0, 0)
    assert counts["wide"] == (1, 1, 1)
    assert counts["F < TF"] == (0, 0, 3)
    assert atoms["wide"].covered
    assert atoms["V_Acc < TV_Acc"].missing == ("false",)
    assert atoms["F < TF"].missing == ("true", "false")


def test_each_pair_of_a_chain_is_an_atom_with_its_place():
    _, _, atoms = covered("{name: a, given: {P: 5, TP: 9}, expect: {fired: [slow]}}")
    line = BOOK.splitlines()[8]
    assert (atoms["0 < P"].true, atoms["P < TP"].true) == (1, 1)
    assert str(atoms["0 < P"].place) == f"b.yaml:9:{line.index('0 < P') + 1}"
    assert str(atoms["P < TP"].place) == f"b.yaml:9:{line.index('P < TP') + 1}"
    assert str(atoms["F < TF"].place) == f"b.yaml:9:{line.index('F < TF') + 1}"


def test_atoms_of_a_folded_condition_have_their_own_lines():
    _, _, atoms = covered("{name: a, given: {failed: 1}, expect: {fired: [folded]}}")
    assert [atoms[name].place.line for name in ("failed", "nonfinite")] == [12, 13]


def test_without_tests_nothing_is_covered():
    text = BOOK.removesuffix("tests:\n")
    rulebook = parse_rulebook(text, "b.yaml")
    data = cover(rulebook, observe(rulebook)).to_json()
    assert (data["rules"]["total"], data["rules"]["covered"], len(data["rules"]["missing"])) == (4, 0, 4)
    assert (data["atoms"]["total"], data["atoms"]["covered"], len(data["atoms"]["missing"])) == (8, 0, 8)


def test_what_is_missing_is_listed_with_its_place():
    found, _, _ = covered("{name: a, given: {T_Acc: 0.6, V_Acc: 0.5}, expect: {fired: [low]}}")
    data = found.to_json()
    assert [item["rule"] for item in data["rules"]["missing"]] == ["state", "slow", "folded"]
    column = BOOK.splitlines()[7].index("wide") + 1
    wide = next(item for item in data["atoms"]["missing"] if item["atom"] == "wide")
    assert wide == {"rule": "low", "place": f"b.yaml:8:{column}", "atom": "wide", "missing": ["true"]}


def test_atoms_of_a_rulebook_that_extends_another_are_found_in_their_own_files():
    rulebook = parse_rulebook(
        "rulebook: b\nversion: 1\nextends: lemonade\nrules:\n"
        "  - {id: big, when: P > 1e6, weight: 1, instruct: [RK], because: x}\n",
        "b.yaml",
    )
    files = {atom.rule: atom.place.file for atom in cover(rulebook, observe(rulebook)).atoms}
    assert (files["big"], files["overfitting"]) == ("b.yaml", "lemonade.yaml")


def test_atoms_stand_where_their_places_say():
    rulebook = load_rulebook(find_rulebook("lemonade"))
    lines = rulebook.sources[0].text.split("\n")
    atoms = cover(rulebook, observe(rulebook)).atoms
    assert len(atoms) > 30
    for atom in atoms:
        assert lines[atom.place.line - 1][atom.place.column - 1 :].startswith(atom.text)
