"""What a user does with a run: start it, look at it, stop it, take it up again."""

from __future__ import annotations

import json
import re
import shlex
import signal
from pathlib import Path

import pytest

from tests.cli.conftest import read_until


def test_the_result_as_json_has_the_documented_names(finished):
    _, result = finished
    assert (result["status"], result["iterations"], result["valid"], result["failed"]) == ("finished", 3, 3, 0)
    assert set(result["best"]) == {"iteration", "CM", "metrics", "trainings", "spread", "model", "weights"}
    assert {"T_Acc", "V_Acc", "F", "P", "S", "L", "T_E", "V_E"} <= set(result["best"]["metrics"])
    assert len(result["instructions_per_iteration"]) == 3
    assert result["instructions_per_iteration"][0] == {}
    assert all(weight > 0 for given in result["instructions_per_iteration"][1:] for weight in given.values())
    assert result["isolation"] in ("medium", "strong", "none")


def _documented(heading):
    page = (Path(__file__).parents[2] / "docs" / "json.md").read_text()
    section = page.split(f"## `lemonade-es {heading}", 1)[1].split("\n## ", 1)[0]
    rows = [line.split("|")[1] for line in section.splitlines() if line.startswith("| `")]
    return {name for row in rows for name in re.findall(r"`(\w+)`", row)}


def test_the_json_of_a_run_and_of_an_explanation_is_documented_key_by_key(finished):
    command, result = finished
    assert set(result) == _documented("run")
    assert set(command("explain", "latest", "--iteration", 2, "--json").json) == _documented("explain")


def test_the_times_add_up(finished):
    seconds = finished[1]["seconds"]
    parts = ("startup", "training", "measuring", "llm", "overhead")
    assert seconds["total"] == pytest.approx(sum(seconds[part] for part in parts), abs=0.01)


def test_the_best_network_lies_where_the_result_says_and_is_the_recorded_one(finished):
    _, result = finished
    source = Path(result["best"]["model"]).read_text()
    assert "class Network(nn.Module)" in source
    assert Path(result["best"]["weights"]).stat().st_size / 1e6 == pytest.approx(
        result["best"]["metrics"]["S"], rel=0.01
    )


def test_the_list_of_runs_shows_the_run(finished):
    command, result = finished
    assert result["run"] in command("runs").out
    assert command("runs", "--json").json[0]["status"] == "finished"


def test_a_finished_run_is_reported_again_without_doing_anything(finished):
    command, result = finished
    again = command("run", "--resume", result["run"], "--json")
    assert again.code == 0
    same = ("run", "status", "iterations", "best", "instructions_per_iteration", "seconds")
    assert {name: again.json[name] for name in same} == {name: result[name] for name in same}


@pytest.mark.slow
def test_a_run_can_be_given_more_iterations(lemonade):
    first = lemonade("run", "--iterations", 1, "--epochs", 1, "--json").json
    more = lemonade("run", "--resume", "latest", "--iterations", 2, "--json").json
    assert (first["iterations"], more["iterations"], more["run"]) == (1, 2, first["run"])


@pytest.mark.slow
def test_an_end_before_what_is_done_ends_the_run_there_and_harms_nothing(lemonade):
    first = lemonade("run", "--iterations", 2, "--epochs", 1, "--json").json
    earlier = lemonade("run", "--resume", "latest", "--iterations", 1, "--json")
    assert (earlier.code, earlier.json["iterations"]) == (0, 2), earlier.err
    assert earlier.json["reason"] == "2 iterations are done"
    again = lemonade("run", "--resume", "latest", "--json")
    assert again.code == 0, again.err
    assert again.json["best"]["CM"] == first["best"]["CM"]


@pytest.mark.slow
def test_a_best_network_that_was_lost_is_put_back_from_the_artifacts(lemonade):
    first = lemonade("run", "--iterations", 1, "--epochs", 1, "--json").json
    model = Path(first["best"]["model"])
    before = model.read_text()
    model.unlink()
    again = lemonade("run", "--resume", "latest", "--json").json
    assert Path(again["best"]["model"]).read_text() == before


@pytest.mark.slow
def test_the_command_to_go_on_with_works_as_it_is_printed(lemonade):
    process = lemonade.start("run", "--iterations", 4, "--epochs", 10, "--out", "my runs?")
    read_until(process, "iteration 1:")
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    words = shlex.split(err.strip().splitlines()[-1].split("go on with: ")[1])
    done = lemonade(*words[1:], "--json")
    assert done.code == 0, done.err
    assert done.json["iterations"] == 4


@pytest.mark.slow
def test_a_run_is_written_by_one_process_at_a_time(lemonade):
    process = lemonade.start("run", "--iterations", 40, "--epochs", 1)
    read_until(process, "iteration 1:")
    second = lemonade("run", "--resume", "latest")
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=120)
    assert second.code == 2
    assert "another process is at work on this run" in second.err
    assert process.returncode == 130


def test_a_resume_that_would_change_the_computation_is_refused(finished):
    command, result = finished
    done = command("run", "--resume", result["run"], "--seed", 5)
    assert done.code == 2
    assert "--seed: a resumed run keeps what it was started with" in done.err


def test_a_configuration_file_does_what_options_do(lemonade, tmp_path):
    (tmp_path / "search.yaml").write_text("iterations: 1\nepochs: 1\nset: {TV_Acc: 0.5}\nseed: 4\n")
    done = lemonade("run", "search.yaml", "--json")
    assert done.code == 0
    assert done.json["iterations"] == 1


@pytest.mark.slow
def test_a_folder_of_photographs_is_searched_for(lemonade, tree):
    done = lemonade("run", "--data", "photos", "--iterations", 2, "--epochs", 2, "--json")
    assert done.code == 0, done.err
    assert done.json["best"]["metrics"]["V_Acc"] is not None


def test_without_a_terminal_there_are_plain_lines_and_no_colour(lemonade):
    done = lemonade("run", "--iterations", 1, "--epochs", 1)
    assert done.code == 0
    assert "iteration 1: V_Acc" in done.out
    assert "\x1b" not in done.out
    assert "lemonade-es explain" in done.out


@pytest.mark.slow
def test_a_target_ends_the_search_early(lemonade):
    done = lemonade("run", "--epochs", 1, "--target", "V_Acc=0.01", "--json")
    assert (done.json["iterations"], done.json["reason"]) == (1, "the target is reached")


def test_without_a_valid_network_the_exit_code_is_1(lemonade):
    done = lemonade("run", "--iterations", 1, "--epochs", 1, "--max-parameters", 5, "--json")
    assert done.code == 1
    assert (done.json["status"], done.json["best"]) == ("failed", None)


@pytest.mark.slow
def test_a_candidate_that_takes_too_long_is_an_outcome(lemonade):
    options = ("--iterations", 1, "--epochs", 100_000, "--candidate-seconds", 3)
    done = lemonade("run", *options, "--json")
    assert done.code == 1
    told = lemonade("explain", "latest", "--iteration", 1, "--json").json
    assert told["outcome"]["outcome"] == "TIMED_OUT"
    assert told["measured"]["failure"]["message"].endswith("after it was started: give more with --candidate-seconds")


@pytest.mark.slow
def test_the_same_seed_gives_the_same_decisions_whatever_the_hash_seed(lemonade, finished):
    command, result = finished
    other = lemonade("run", "--iterations", 3, "--epochs", 2, "--json", PYTHONHASHSEED="1")
    assert other.json["instructions_per_iteration"] == result["instructions_per_iteration"]
    requests = [
        [item["request"] for item in runner("explain", "latest", "--json").json] for runner in (command, lemonade)
    ]
    assert json.dumps(requests[0]) == json.dumps(requests[1])


def test_a_recorded_decision_is_supposed_again_with_one_value_changed(finished):
    command, result = finished
    recorded = command("explain", result["run"], "--iteration", 3, "--json").json
    asked = ("rulebook", "whatif", "lemonade", "--from", result["run"], "--iteration", 3, "--json")
    assert command(*asked).json["fired"] == recorded["fired"]
    assert command(*asked).json["instructions"] == recorded["instructions"]
    other = command(*asked, "--fact", "V_Acc=0.999", "--fact", "T_Acc=1").json
    assert other["facts"]["F"] == recorded["facts"]["F"]
    assert other["instructions"] == {"RK": 0.25, "RN": 0.25}


def test_recorded_runs_are_put_to_a_rulebook(finished):
    command, result = finished
    same = command("rulebook", "backtest", "lemonade", result["run"], "--json").json
    assert (same["decisions"], same["flipped"]) == (2, [])
    assert same["fires"]["low-training-accuracy"] == 2
    assert "broken" in same["never_fired"]
    (command.folder / "mine.yaml").write_text(
        "rulebook: mine\nversion: 1\nextends: lemonade\ndrop_tests: all\n"
        "rules:\n  - {id: always, when: V_Acc >= 0, weight: 5, instruct: [RCL], because: x}\n"
    )
    other = command("rulebook", "backtest", "mine.yaml", result["run"], "--json").json
    assert [item["iteration"] for item in other["flipped"]] == [2, 3]
    assert all(item["new"]["RCL"] == 5 for item in other["flipped"])
    told = command("rulebook", "diff", "lemonade", "mine.yaml", "--against", result["run"])
    assert "2 of 2 recorded decisions would be others" in told.out
    assert "+ rule always" in told.out


@pytest.mark.slow
def test_a_resume_says_that_the_rulebook_was_changed_and_is_not_taken_over(lemonade):
    book = lemonade.folder / "mine.yaml"
    book.write_text("rulebook: mine\nversion: 1\nextends: lemonade\n")
    assert lemonade("run", "--rulebook", "mine.yaml", "--iterations", 1, "--epochs", 1).code == 0
    book.write_text("rulebook: mine\nversion: 2\nextends: lemonade\nmax_instructions: 1\ndrop_tests: all\n")
    done = lemonade("run", "--resume", "latest", "--iterations", 2)
    assert done.code == 0, done.err
    assert "iteration 2: the rulebook has changed, but the old one stays in force:" in done.out
    assert "with --watch-rulebook it takes the change over" in done.out
    again = lemonade("run", "--resume", "latest", "--iterations", 3, "--watch-rulebook")
    assert "the changed rulebook is in force now" in again.out


def test_a_resume_names_the_run_that_a_fallback_replays_in_whole(finished):
    command, result = finished
    done = command("run", "--resume", result["run"], "--iterations", 9, "--fallback", "replay:latest")
    assert done.code == 2
    assert f"replay:{result['run']}" in done.err
