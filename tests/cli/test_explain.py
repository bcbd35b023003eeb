"""What a user asks of a finished run: why each network is as it is."""

from __future__ import annotations

import re
import shutil

import pytest


def test_an_iteration_is_explained_from_facts_to_outcome(finished):
    command, result = finished
    done = command("explain", result["run"], "--iteration", 2)
    assert re.search(r"^Latency: median [\d.e+-]+ ms; .*p95 [\d.e+-]+ ms over \d+ windows$", done.out, re.M)
    assert done.code == 0
    for heading in ("Facts", "Rules that fired, in order", "Instructions sent", "Patch:", "Measured:", "CM = "):
        assert heading in done.out
    assert "because training accuracy" in done.out


def test_an_explanation_as_json_agrees_with_the_result(finished):
    command, result = finished
    told = command("explain", "latest", "--json").json
    assert [item["instructions"] for item in told] == result["instructions_per_iteration"]
    second = told[1]
    assert second["fired"][0]["rule"] == "low-training-accuracy"
    assert second["request"]["instructions"][0]["id"] == next(iter(second["instructions"]))
    assert second["changed"]["diff"].startswith("--- iteration 1")


def test_a_run_is_explained_without_its_sources(finished, tmp_path):
    command, result = finished
    shutil.copytree(command.folder / "runs", tmp_path / "runs", ignore=shutil.ignore_patterns("*.py"))
    there = ("explain", result["run"], "--out", tmp_path / "runs")
    assert "Iteration 2" in command(*there).out
    assert [item["changed"]["diff"] for item in command(*there, "--json").json] == [None] * 3
    shown = command(*there, "--source")
    assert (shown.code, "cannot be read" in shown.err) == (2, True)


def test_an_encoding_that_lacks_a_letter_is_named(finished):
    command, result = finished
    done = command("explain", result["run"], "--why", "ACL", PYTHONIOENCODING="latin-1")
    assert done.code == 2
    assert "latin-1 has no" in done.err
    assert "PYTHONIOENCODING=utf-8" in done.err


def test_a_decision_is_derived_and_denied(finished):
    command, result = finished
    sent = next(iter(result["instructions_per_iteration"][-1]))
    why = command("explain", result["run"], "--why", sent)
    assert why.code == 0, why.err
    assert why.out.startswith(f"Iteration 3: {sent} was sent")
    assert "lemonade.yaml:" in why.out
    missing = next(name for name in ("RCL", "RSC", "RDL") if name not in result["instructions_per_iteration"][-1])
    denied = command("explain", result["run"], "--iteration", 3, "--why-not", missing, "--json")
    assert denied.json["question"] == "why-not"
    assert denied.json["subject"] == missing
    assert denied.json["iteration"] == 3
    chart = command("explain", result["run"], "--why", sent, "--format", "mermaid")
    assert chart.out.startswith("flowchart TD\n")


def test_the_decisions_of_a_run_come_out_again_byte_for_byte(finished):
    command, result = finished
    replayed = command("explain", result["run"], "--replay")
    assert (replayed.code, replayed.out) == (0, "iteration 2: the same\niteration 3: the same\n")
    one = command("explain", result["run"], "--replay", "--iteration", 3)
    assert (one.code, one.out) == (0, "iteration 3: the same\n")
    assert command("explain", result["run"], "--replay", "--iteration", 1).code == 2


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--why", "ACX"], "no instruction, rule or conclusion 'ACX'"),
        (["--why", "ACL", "--iteration", "1"], "iteration 1 was not advised by rules"),
        (["--why", "ACL", "--why-not", "RCL"], "ask one at a time"),
        (["--format", "mermaid"], "draws the answer to --why or --why-not"),
    ],
)
def test_a_question_that_cannot_be_answered_says_so(finished, words, told):
    command, result = finished
    done = command("explain", result["run"], *words)
    assert done.code == 2
    assert told in done.err
