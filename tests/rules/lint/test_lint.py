"""The linter as a whole: what it says of good rulebooks, in which order, and with which witnesses."""

from __future__ import annotations

import pytest

from lemonade_es.engine.expert.conflicts import resolve
from lemonade_es.engine.expert.evaluator import evaluate
from lemonade_es.engine.expert.facts import Facts
from lemonade_es.rules.lint import lint
from lemonade_es.rules.load import find_rulebook, load_rulebook, shipped
from lemonade_es.vocabulary import METRICS, settings
from tests.rules.lint.conftest import GOOD, book, codes


def test_a_good_rulebook_draws_no_warning():
    assert codes(book(*GOOD)) == set()


def test_findings_come_in_the_order_of_the_file_and_are_the_same_each_time():
    rulebook = load_rulebook(find_rulebook("lemonade"))
    findings = lint(rulebook)
    assert [item.place.line for item in findings] == sorted(item.place.line for item in findings)
    assert lint(rulebook) == findings


@pytest.mark.parametrize("name", shipped())
def test_each_witness_of_the_shipped_rulebooks_does_what_is_said(name):
    rulebook = load_rulebook(find_rulebook(name))
    wishes = settings(None, {}, rulebook.defaults)
    for item in lint(rulebook):
        if item.witness is None or item.message.startswith("at "):
            continue
        assert set(item.witness) <= set(METRICS)
        inference = evaluate(rulebook, Facts.of(item.witness, wishes))
        if item.code == "DOUBLE_COUNT":
            assert set(item.rules) <= {firing.rule for firing in inference.fired}
        if item.code in {"PARTNER_OVERLAP", "WEIGHT_TIE"}:
            assert resolve(inference, rulebook).decisions
        if item.code == "GAP":
            assert resolve(inference, rulebook).instructions == {}
