"""What rules were worth, and what is learned from it, from the command line."""

from __future__ import annotations

import pytest


def test_the_worth_of_each_rule_is_told_as_a_table_and_as_data(finished):
    command, result = finished
    told = command("rulebook", "efficacy", result["run"])
    assert told.code == 0
    assert "2 steps of 1 run" in told.out
    assert "low-validation-accuracy" in told.out
    assert "gave no instruction: repair-broken" in told.out
    data = command("rulebook", "efficacy", result["run"], "latest", "--json").json  # which are one run
    assert (data["rulebook"], data["runs"], data["steps"]) == ("lemonade", 1, 2)
    rows = {row["rule"]: row for row in data["rules"]}
    assert rows["low-validation-accuracy"]["metric"] == "V_Acc"
    assert rows["low-validation-accuracy"]["fired"] == 2
    assert rows["slow"]["fired"] == 0  # PF is 0


def test_a_rule_that_only_shares_its_name_with_one_of_the_run_is_left_out(finished, tmp_path):
    command, result = finished
    file = tmp_path / "mine.yaml"
    file.write_text(
        "rulebook: mine\nversion: 1\nextends: lemonade\nrules:\n"
        "  - {id: low-validation-accuracy, when: P > 1, weight: PP, instruct: [RK], because: small is beautiful}\n"
    )
    told = command("rulebook", "efficacy", result["run"], "--rulebook", file)
    assert told.code == 0, told.err
    assert "low-validation-accuracy in 2 steps (another condition and other instructions)" in " ".join(told.out.split())
    rows = {
        row["rule"]: row
        for row in command("rulebook", "efficacy", "latest", "--rulebook", file, "--json").json["rules"]
    }
    row = rows["low-validation-accuracy"]
    assert (row["fired"], row["left_out"], row["differs"]) == (0, 2, ["condition", "instructions"])
    assert rows["refine"]["left_out"] == 0


def test_two_steps_are_too_few_to_learn_from(finished):
    command, result = finished
    done = command("rulebook", "tune", result["run"])
    assert (done.code, done.out) == (2, "")
    assert "2 steps with a gain in CM are too few to learn from" in done.err


@pytest.mark.slow
def test_a_rulebook_is_learned_from_a_run_and_can_be_checked_tested_and_run(lemonade):
    run = ("run", "--limit", 200, "--epochs", 1, "--json")
    first = lemonade(*run, "--iterations", 13).json
    done = lemonade("rulebook", "tune", first["run"])
    assert done.code == 0, done.err
    assert lemonade("rulebook", "tune", first["run"]).out == done.out
    (lemonade.folder / "tuned.yaml").write_text(done.out)
    assert "extends: lemonade" in done.out
    assert lemonade("rulebook", "check", "tuned.yaml").code == 0
    assert lemonade("rulebook", "test", "tuned.yaml").code == 0
    assert lemonade(*run, "--iterations", 2, "--rulebook", "tuned.yaml").code == 0
    rows = lemonade("rulebook", "tune", first["run"], "--json").json["rules"]
    assert {row["rule"] for row in rows if row["factor"] != 1.0} == {
        line.removeprefix("  - id: ") for line in done.out.splitlines() if line.startswith("  - id: ")
    }
