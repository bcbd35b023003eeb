"""Decisions of a rulebook, and questions why they were not others."""

from __future__ import annotations

from lemonade_es.engine.loop.advisor import Advisor
from lemonade_es.engine.reasons.whynot import why_not
from lemonade_es.rules.load import find_rulebook, load_rulebook, parse_rulebook
from lemonade_es.vocabulary import settings

LEMONADE = load_rulebook(find_rulebook("lemonade"))
CASE_1 = {"T_Acc": 0.72, "V_Acc": 0.65, "F": 1468.0, "failed": 0.0, "nonfinite": 0.0}
HEAD = """\
rulebook: small
version: 1
instructions:
  ACL: {text: Add, conflicts_with: RCL}
  RCL: {text: Reduce, conflicts_with: ACL}
  AWI: {text: Initialise}
rules:
"""


def advised(metrics, wishes=None, rulebook=LEMONADE):
    return Advisor(rulebook, settings(None, wishes or {}, rulebook.defaults)).advise(2, 1, metrics)


def ask_why_not(subject, metrics, wishes=None, rulebook=LEMONADE):
    return why_not(advised(metrics, wishes, rulebook), rulebook, subject)


def book(rules, head=HEAD):
    return parse_rulebook(head + rules, "b.yaml")


def flips(answer):
    return {flip.name: flip.new for flip in answer.flips}
