"""Answers to *why* and *why not* as people see them."""

from __future__ import annotations

import re

import pytest

from lemonade_es.engine.loop.advisor import Advisor
from lemonade_es.engine.reasons.why import why
from lemonade_es.engine.reasons.whynot import why_not
from lemonade_es.report.derivation import answer_mermaid, answer_text
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook
from lemonade_es.vocabulary import settings

RULES = """\
rulebook: small
version: 1
instructions:
  ACL: {text: Add convolutional layer, conflicts_with: RCL}
  RCL: {text: Reduce convolutional layer, conflicts_with: ACL}
rules:
  - {id: gap, when: T_Acc - V_Acc > OT, conclude: overfitting}
  - {id: deep, when: V_Acc < TV_Acc and not overfitting, weight: PV_Acc * 0.5, instruct: [ACL], because: "{V_Acc:.0%}"}
  - {id: slow, when: F < TF or L > TL, weight: PF, instruct: [RCL]}
"""
SMALL = parse_rulebook(RULES, "b.yaml")
NETWORK = {"T_Acc": 0.72, "V_Acc": 0.65, "F": 1468.0}


def decided(metrics, wishes=None, rulebook=SMALL):
    return Advisor(rulebook, settings(None, wishes or {})).advise(2, 1, metrics)


def test_why_reads_from_the_answer_down_to_the_numbers():
    answer = why(decided(NETWORK, {"PF": 0.2}), SMALL, "ACL")
    assert answer_text(answer) == (
        """\
ACL was sent with weight 0.5, from deep; it beat RCL (0.2) by 0.3

ACL  Add convolutional layer: weight 0.5  (b.yaml:4:8)
├── ✓ deep fired: 65%; weight 0.5  (b.yaml:8:5)
│   ├── ✓ V_Acc = 65.00% < TV_Acc = 99.00%, by 34.00%
│   ├── ✓ overfitting was not concluded
│   │   └── ✓ gap did not fire  (b.yaml:7:5)
│   │       └── ✓ not (T_Acc - V_Acc > OT) holds: T_Acc - V_Acc = 7.0% < OT = 10.0%, by 3.0%
│   └── weight PV_Acc * 0.5 = 0.5, with PV_Acc = 1 (set)
└── ✓ beat RCL (0.2, slow) by 0.3"""
    )


def test_why_not_tells_the_loser_the_winner_and_what_would_turn_it_round():
    answer = why_not(decided(NETWORK, {"PF": 0.2}), SMALL, "RCL")
    assert answer_text(answer) == (
        """\
RCL was not sent: it lost to ACL, 0.2 (slow) against 0.5 (deep)

RCL  Reduce convolutional layer: not sent  (b.yaml:5:8)
├── ✓ slow fired; weight 0.2  (b.yaml:9:5)
│   └── weight PF = 0.2
└── ✗ lost to ACL, 0.2 against 0.5: RCL would win if its weight rose by more than 0.3
    └── ✓ deep fired: 65%; weight 0.5  (b.yaml:8:5)
        └── weight PV_Acc * 0.5 = 0.5, with PV_Acc = 1 (set)

One of these alone would have changed it, the smallest change first
  RCL would be sent, with weight 0.2, if OT were 0.069 instead of 0.1
  RCL would be sent, with weight 0.2, if T_Acc were 0.751 instead of 0.72
  RCL would be sent, with weight 0.2, if V_Acc were 0.619 instead of 0.65
  RCL would be sent, with weight 0.51, if PF were 0.51 instead of 0.2
  RCL would be sent, with weight 0.2, if TV_Acc were 0.65 instead of 0.99
  and 1 more"""
    )


def test_what_is_unknown_says_why():
    text = answer_text(why_not(decided({"V_Acc": 0.6}), SMALL, "slow", {"F": "the clock stopped"}))
    assert text.splitlines()[0] == "slow cannot be decided: none of 2 alternatives is known to hold"
    assert "? F < TF is unknown: F is unknown: the clock stopped" in text
    assert "? L > TL is unknown: L is unknown: it was not measured; TL is unknown: it is not set" in text


def test_what_holds_already_is_one_line_in_why_not():
    text = answer_text(why_not(decided({"T_Acc": 0.99, "V_Acc": 0.99}), SMALL, "deep"))
    assert "✓ overfitting was not concluded" in text
    assert "gap" not in text
    assert "✗ V_Acc < TV_Acc fails: V_Acc = 99.00% = TV_Acc = 99.00%" in text


def test_numbers_that_would_look_alike_are_shown_with_more_digits():
    text = answer_text(why_not(decided({"T_Acc": 0.9, "V_Acc": 0.9900001}), SMALL, "deep"))
    assert "V_Acc = 0.9900001 > TV_Acc = 0.99, by 1e-07" in text


def test_only_the_five_smallest_changes_are_listed():
    book = load_rulebook(find_rulebook("lemonade"))
    metrics = {"T_Acc": 0.72, "V_Acc": 0.65, "F": 1468.0, "T_E": 1e-4, "V_E": 1e-6}
    answer = why_not(decided(metrics, {"PV_Acc": 0.7, "PF": 0.2, "PT_E": 1}, book), book, "RCL")
    assert len(answer.flips) > 5
    text = answer_text(answer)
    assert f"  and {len(answer.flips) - 5} more" in text.splitlines()
    assert text.count(" instead of ") == 5


def test_a_flowchart_has_one_box_for_each_number_and_links_between_known_boxes():
    answer = why(decided(NETWORK, {"PF": 0.2}), SMALL, "ACL")
    chart = answer_mermaid(answer)
    assert chart == answer_mermaid(answer)
    boxes, links = _parsed(chart)
    assert sum("V_Acc = 65.00#37; (measured)" in label for label in boxes.values()) == 1
    assert {name for link in links for name in link} == set(boxes)
    children = {child for _, child in links}
    assert [name for name in boxes if name not in children] == ["n0"]
    assert any(label.startswith("✓ overfitting was not concluded") for label in boxes.values())


@pytest.mark.parametrize(
    "text", ['say "no" [x] (y) {z} <b>', "end; a --> b | c & d", "#quot; %%{init}%% `x`", "first\nsecond\\"]
)
def test_no_text_of_a_rulebook_breaks_out_of_its_box(text):
    quoted = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("{", "{{").replace("}", "}}")
    rules = RULES.replace('"{V_Acc:.0%}"', f'"{quoted}"')
    boxes, links = _parsed(
        answer_mermaid(
            why(
                decided(NETWORK, {}, parse_rulebook(rules, 'odd "file].yaml')),
                parse_rulebook(rules, 'odd "file].yaml'),
                "ACL",
            )
        )
    )
    assert len(boxes) == len({*boxes.values()})
    assert len(links) >= len(boxes) - 1


BOX = re.compile(r'    (n\d+)(?:\["([^"`\n]*)"\]|\(\["([^"`\n]*)"\]\))(:::(?:holds|fails|open))?')
LINK = re.compile(r"    (n\d+) --> (n\d+)")


def _parsed(chart):
    """Boxes and links of a chart in which nothing else stands; raw markup only as the line break."""
    head, *lines = chart.splitlines()
    assert head == "flowchart TD"
    boxes, links = {}, []
    for line in lines:
        if line.startswith("    classDef "):
            continue
        box, link = BOX.fullmatch(line), LINK.fullmatch(line)
        if link:
            links.append((link[1], link[2]))
            continue
        assert box, line
        label = box[2] or box[3]
        assert not re.search(r"[<>]|&(?!amp)|%|#(?!\w+;)", label.replace("<br/>", "")), label
        boxes[box[1]] = label
    return boxes, links
