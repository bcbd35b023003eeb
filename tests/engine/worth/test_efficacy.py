"""Each rule's purpose against what was measured after its advice."""

from __future__ import annotations

from dataclasses import replace

import pytest

from lemonade_es.engine.history.events import Advised
from lemonade_es.engine.worth.efficacy import efficacy, purpose
from lemonade_es.engine.worth.identity import differences
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook

LEMONADE = load_rulebook(find_rulebook("lemonade"))
CONCLUDING = """\
rulebook: small
version: 1
instructions:
  ACL: {text: Add}
rules:
  - id: fast
    when: F > 1
    conclude: small
  - id: r
    when: small
    weight: 1
    instruct: [ACL]
"""


def row(make, name, *runs):
    return next(item for item in efficacy(make.book, runs) if item.rule == name)


@pytest.mark.parametrize(
    ("rule", "metric"),
    [
        ("low-training-accuracy", "T_Acc"),
        ("refine", "V_Acc"),
        ("slow", "F"),
        ("training-energy", "T_E"),
        ("validation-energy", "V_E"),
        ("repair-broken", "failed"),
    ],
)
def test_a_rule_is_meant_to_better_what_its_priority_weighs_or_else_what_its_condition_reads(rule, metric):
    (found,) = [item for item in LEMONADE.rules if item.id == rule]
    assert purpose(found, LEMONADE) == metric


def test_conclusions_that_read_each_other_end():
    book = parse_rulebook(
        "rulebook: deep\nversion: 1\ninstructions:\n  ACL: {text: Add}\nrules:\n"
        "  - {id: a, when: F > 1, conclude: fast}\n  - {id: b, when: fast, conclude: small}\n"
        "  - {id: c, when: small, weight: 1, instruct: [ACL]}\n",
        "deep.yaml",
    )
    assert purpose(book.rules[2], book) == "F"


def test_conclusions_are_followed_however_deep_they_lie():
    chain = "".join(f"  - {{id: r{at}, when: c{at}, conclude: c{at + 1}}}\n" for at in range(1000))
    book = parse_rulebook(
        "rulebook: deep\nversion: 1\ninstructions:\n  ACL: {text: Add}\nrules:\n"
        f"  - {{id: first, when: F > 1, conclude: c0}}\n{chain}"
        "  - {id: last, when: c1000, weight: 1, instruct: [ACL]}\n",
        "deep.yaml",
    )
    assert purpose(book.rules[-1], book) == "F"


def test_what_a_condition_compares_itself_is_meant_before_what_it_reads_by_a_conclusion():
    book = parse_rulebook(
        "rulebook: uneven\nversion: 1\ninstructions:\n  AMK: {text: Add}\nrules:\n"
        "  - {id: a, when: T_Acc - V_Acc > OT, conclude: by_heart}\n"
        "  - {id: b, when: class_gap > 0.2 and not by_heart, weight: 1, instruct: [AMK]}\n",
        "uneven.yaml",
    )
    assert purpose(book.rules[1], book) == "class_gap"


def test_a_rule_that_helps_is_told_from_one_that_does_nothing(make, recorded):
    run = recorded(deep=0.05, wide=0.0)
    helping, idle = row(make, "deeper", run), row(make, "wider", run)
    assert helping.verdict == "helps"
    assert helping.against_others.mean == pytest.approx(0.05, abs=0.01)
    assert helping.against_others.low > 0
    assert idle.verdict == "open"
    assert idle.against_others.low < 0 < idle.against_others.high


def test_a_rule_that_harms_is_told(make, recorded):
    assert row(make, "wider", recorded(wide=-0.05)).verdict == "harms"


def test_a_rule_that_never_fired_claims_nothing(make, recorded):
    silent = row(make, "silent", recorded())
    assert (silent.fired, silent.carried_out, silent.gain, silent.against_others) == (0, 0, None, None)
    assert silent.verdict == "open"


def test_of_two_steps_no_interval_is_told(make, recorded):
    gain = row(make, "deeper", recorded(steps=4, seed=3)).gain
    assert gain.steps == 2
    assert (gain.low, gain.high) == (None, None)


def test_three_steps_have_the_wide_interval_of_three_and_of_unequal_spreads_that_of_welch(make):
    """A bootstrap of three has 80 % where it says 95: three gains in a row above 0 were called help."""
    events = [make.ended(1, {"V_Acc": 0.5, "L": 2.0}, 0.5)]
    gains = [(2.0, 0.01), (2.0, 0.02), (2.0, 0.06), (0.5, 0.0), (0.5, 0.01), (0.5, 0.0), (0.5, 0.01)]
    for number, (latency, gain) in enumerate(gains, 2):
        facts = {"V_Acc": 0.5, "L": latency, "F": 80.0}
        step = make.advised(number, 1, facts)
        done = dict.fromkeys(step.resolution.instructions, "followed")
        events += [step, make.accepted(number, done), make.ended(number, {**facts, "V_Acc": 0.5 + gain}, 0.5)]
    wider = row(make, "wider", make.entries(*events))
    assert (wider.gain.mean, wider.gain.steps, wider.against_others.steps) == (pytest.approx(0.03), 3, 3)
    # standard error 0.01528; 4.3027 of them for 2 degrees of freedom
    assert (wider.gain.low, wider.gain.high) == (pytest.approx(-0.03572, abs=1e-5), pytest.approx(0.09572, abs=1e-5))
    # standard errors 0.01528 and 0.00289, together 0.01555; 4.0379 of them for 2.14 degrees of freedom
    assert wider.against_others.low == pytest.approx(0.025 - 0.06277, abs=1e-5)
    assert wider.verdict == "open"


def test_gains_that_are_all_the_same_leave_no_doubt(make):
    facts = {"V_Acc": 0.5, "L": 2.0, "F": 80.0}
    events = [make.ended(1, facts, 0.5)]
    for number in (2, 3, 4):
        events += [make.advised(number, 1, facts), make.accepted(number, {"AMK": "followed"})]
        events.append(make.ended(number, {**facts, "V_Acc": 0.75}, 0.5))
    gain = row(make, "wider", make.entries(*events)).gain
    assert (gain.low, gain.mean, gain.high) == (0.25, 0.25, 0.25)


def test_the_interval_of_the_mean_gets_narrower_with_more_steps(make, recorded):
    short, long = (row(make, "deeper", recorded(steps=steps, noise=0.05)).gain for steps in (30, 300))
    assert long.high - long.low < (short.high - short.low) / 2


def test_a_step_whose_network_failed_is_counted(make):
    facts = {"V_Acc": 0.5, "L": 2.0}
    run = make.entries(
        make.ended(1, facts, 0.5),
        make.advised(2, 1, facts),
        make.accepted(2, {"AMK": "followed"}),
        make.ended(2, {"V_Acc": None, "failed": 1.0}, None, "DIVERGED"),
    )
    wider = row(make, "wider", run)
    assert (wider.carried_out, wider.failed, wider.gain) == (1, 1, None)


def test_a_rule_is_not_judged_by_its_few_networks_that_were_not_stopped(make, recorded, hopeless):
    run = recorded(wide=0.05, noise=0.02)
    alone, pruned = row(make, "wider", run), row(make, "wider", run, hopeless(steps=60))
    assert (alone.verdict, alone.pruned) == ("helps", 0)
    assert (pruned.verdict, pruned.pruned, pruned.failed) == ("open", 60, 0)
    assert pruned.gain.steps == pruned.CM.steps == alone.CM.steps + 60


def test_the_same_runs_give_the_same_figures(make, recorded):
    assert efficacy(make.book, [recorded(deep=0.02)]) == efficacy(make.book, [recorded(deep=0.02)])


def other(make, monkeypatch, old, new):
    """The rulebook of the runs, changed in one place; the runs keep theirs."""
    text = make.book.sources[0].text
    assert text.count(old) == 1
    monkeypatch.setattr("lemonade_es.engine.worth.efficacy.rulebook_at", lambda *_: make.book)
    return parse_rulebook(text.replace(old, new), "other.yaml")


@pytest.mark.parametrize(
    ("old", "new", "differs"),
    [
        ("when: F > 100, weight", "when: F > 101, weight", ("condition",)),
        ("instruct: [ACL, ASC]", "instruct: [ACL]", ("instructions",)),
        ("PV_Acc * 0.5, instruct: [ACL, ASC]", "-PV_Acc, instruct: [ACL, ASC]", ("direction",)),
        ("when: F > 100, weight: PV_Acc * 0.5", "when: F < 1, weight: -1", ("condition", "direction")),
    ],
)
def test_what_another_rule_of_the_same_id_did_is_not_told_of_this_one(make, recorded, monkeypatch, old, new, differs):
    run = recorded(deep=0.05)
    book = other(make, monkeypatch, old, new)
    rows = {item.rule: item for item in efficacy(book, [run])}
    fired = row(make, "deeper", run).fired
    assert (rows["deeper"].fired, rows["deeper"].gain, rows["deeper"].verdict) == (0, None, "open")
    assert (rows["deeper"].left_out, rows["deeper"].differs) == (fired, differs)
    assert rows["wider"] == replace(row(make, "wider", run), place=rows["wider"].place)


def test_a_rule_with_another_weight_or_layout_is_the_same_rule(make, recorded, monkeypatch):
    book = other(
        make, monkeypatch, "when: F > 100, weight: PV_Acc * 0.5, instruct", "when: (F>100.0), weight: 2, instruct"
    )
    rows = {item.rule: item for item in efficacy(book, [recorded(deep=0.05)])}
    assert (rows["deeper"].verdict, rows["deeper"].left_out, rows["deeper"].differs) == ("helps", 0, ())


def test_a_rule_that_reads_a_conclusion_drawn_otherwise_has_another_condition(make):
    small = parse_rulebook(CONCLUDING, "a.yaml")
    facts = {"F": 1.0}
    for old, new, found in (("F > 1", "F > 2", ["condition"]), ("small\n", "small\n  # a note\n", [])):
        changed = parse_rulebook(CONCLUDING.replace(old, new), "b.yaml")
        assert differences(changed.rules[1], changed, small, facts) == found


def test_an_instruction_that_goes_the_other_way_is_another_direction(make):
    text = CONCLUDING.replace("{text: Add}", "{text: Add, changes: conv_layers, direction: increase}")
    one, two = (parse_rulebook(body, "a.yaml") for body in (text, text.replace("increase", "reduce")))
    assert differences(one.rules[1], one, two, {}) == ["direction"]


def test_runs_of_two_rulebooks_are_pooled_without_rules_that_only_share_a_name(make, recorded, monkeypatch):
    first, second = recorded(deep=0.05, run="one"), recorded(deep=-0.5, run="two")
    changed = other(make, monkeypatch, "when: F > 100, weight", "when: F > 101, weight")
    monkeypatch.setattr("lemonade_es.engine.worth.efficacy.rulebook_at", lambda *_: changed)
    renamed = tuple(
        replace(entry, event=replace(entry.event, rulebook=changed.digest))
        if isinstance(entry.event, Advised)
        else entry
        for entry in second
    )
    pooled = {item.rule: item for item in efficacy(make.book, [first, renamed])}
    alone = row(make, "deeper", first)
    assert (pooled["deeper"].fired, pooled["deeper"].gain) == (alone.fired, alone.gain)
    assert pooled["deeper"].left_out == row(make, "deeper", second).fired
    assert pooled["wider"].fired == row(make, "wider", first, second).fired
