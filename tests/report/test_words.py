"""The words of a rulebook in tables: none is missing, and numbers are written as a rulebook writes them."""

from __future__ import annotations

from rich.console import Console

from lemonade_es.report.words import words_json, words_tables
from lemonade_es.rules.load import find_rulebook, load_rulebook
from lemonade_es.vocabulary import METRICS, TERMS

EDGE = load_rulebook(find_rulebook("edge"))


def lines(rulebook):
    console = Console(width=100)
    with console.capture() as captured:
        console.print(*words_tables(rulebook))
    return [" ".join(line.split()) for line in captured.get().splitlines()]


def test_every_term_stands_there_with_its_unit_and_default():
    found = lines(None)
    assert {line.split()[0] for line in found} >= set(TERMS)
    assert "L ms median latency at batch size 1" in found
    assert "failed 0 or 1 1 if training or measuring the candidate failed, else 0" in found
    assert "TV_Acc 0.99 wanted validation accuracy" in found
    assert "TP not set tolerated parameters" in found


def test_a_rulebook_adds_its_defaults_instructions_and_conclusions():
    found = lines(EDGE)
    assert "TP 250000 tolerated parameters" in found
    assert "RK AMK Reduce number of kernel" in found
    assert "overfitting lemonade.yaml:77 T_Acc - V_Acc > OT" in found


def test_programs_get_the_same_words():
    data, alone = words_json(EDGE), words_json(None)
    assert [term["name"] for term in data["metrics"]] == list(METRICS)
    assert {term["name"]: term["default"] for term in data["thresholds"]}["TP"] == 250000
    assert {term["name"]: term["default"] for term in alone["thresholds"]}["TP"] is None
    assert {"name": "overfitting", "rules": ["overfitting"]} in data["conclusions"]
    assert (alone["instructions"], alone["conclusions"]) == ([], [])
