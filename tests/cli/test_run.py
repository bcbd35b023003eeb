"""What a user does with a run: start it, look at it, stop it, take it up again."""

from __future__ import annotations

import atexit
import errno
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from click.testing import CliRunner

from lemonade_es.cli import main
from lemonade_es.commands import signals
from lemonade_es.commands.signals import interrupt_by_signals
from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.search import Search


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


def test_the_list_of_runs_shows_the_run(finished):
    command, result = finished
    assert result["run"] in command("runs").out
    assert command("runs", "--json").json[0]["status"] == "finished"


def test_a_finished_run_is_reported_again_without_doing_anything(finished):
    command, result = finished
    again = command("run", "--resume", result["run"], "--json")
    assert again.code == 0
    same = ("run", "status", "iterations", "best", "instructions_per_iteration")
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
    for line in process.stdout:
        if line.startswith("iteration 1:"):
            break
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
    for line in process.stdout:
        if line.startswith("iteration 1:"):
            break
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


@pytest.mark.slow
def test_ctrl_c_says_how_to_go_on_and_a_resume_ends_as_an_unbroken_run_does(lemonade, finished):
    process = lemonade.start("run", "--iterations", 3, "--epochs", 2)
    for line in process.stdout:
        if line.startswith("iteration 1:"):
            break
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "lemonade-es run --resume" in err
    assert "Traceback" not in err
    resumed = lemonade("run", "--resume", "latest", "--json").json
    assert resumed["instructions_per_iteration"] == finished[1]["instructions_per_iteration"]
    assert resumed["best"]["CM"] == finished[1]["best"]["CM"]


@pytest.mark.parametrize("ignored", [signal.SIGHUP, signal.SIGTERM])
def test_a_signal_that_is_ignored_on_purpose_stays_ignored(ignored):
    """As SIGHUP is under nohup."""
    before = {number: signal.getsignal(number) for number in (signal.SIGHUP, signal.SIGTERM)}
    try:
        signal.signal(ignored, signal.SIG_IGN)
        interrupt_by_signals()
        assert signal.getsignal(ignored) is signal.SIG_IGN
        other = signal.SIGTERM if ignored is signal.SIGHUP else signal.SIGHUP
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(other)
    finally:
        atexit.unregister(signals._ignore)
        for number, handler in before.items():
            signal.signal(number, handler)


IMPATIENT = """
import os, signal, sys
from lemonade_es.commands import signals

class Late:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGINT)  # when Python has taken its handlers away

signals.interrupt_by_signals()
try:
    signal.raise_signal(signal.SIGINT)
except KeyboardInterrupt:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.raise_signal(number)
    print("recorded")
late = Late()
signals.GRACE = float(sys.argv[1])
signal.raise_signal(signal.SIGTERM)
sys.exit(130)
"""


def test_after_an_interrupt_no_other_signal_disturbs_what_is_recorded_and_told():
    done = subprocess.run([sys.executable, "-c", IMPATIENT, "10"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (130, "recorded\n", "")


def test_what_hangs_after_an_interrupt_can_be_interrupted_again():
    done = subprocess.run([sys.executable, "-c", IMPATIENT, "0"], capture_output=True, text=True, check=False)
    assert done.stdout == "recorded\n"
    assert done.stderr.endswith("KeyboardInterrupt\n")


@pytest.mark.slow
@pytest.mark.parametrize("gap", [0.02, 0.05, 0.15, 0.3])
def test_two_interrupts_in_a_row_are_as_good_as_one(lemonade, gap):
    process = lemonade.start("run", "--iterations", 5, "--epochs", 30)
    for line in process.stdout:
        if line.startswith("iteration 1:"):
            break
    for number in (signal.SIGINT, signal.SIGINT, signal.SIGTERM):
        process.send_signal(number)
        time.sleep(gap)
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    assert err.startswith("interrupted; go on with: lemonade-es run --resume ")
    assert len(err.splitlines()) == 1


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


def test_a_termination_ends_as_ctrl_c_does(lemonade):
    process = lemonade.start("run", "--iterations", 40, "--epochs", 1)
    for line in process.stdout:
        if line.startswith("iteration 1:"):
            break
    process.terminate()
    _, err = process.communicate(timeout=120)
    assert process.returncode == 130
    assert "lemonade-es run --resume" in err


@pytest.mark.slow
def test_a_reader_that_leaves_does_not_end_the_search(lemonade):
    process = lemonade.start("run", "--iterations", 2, "--epochs", 1)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=120) == 0, process.stderr.read()
    process.stderr.close()
    assert lemonade("runs", "--json").json[0]["status"] == "finished"


def test_output_that_cannot_be_written_is_one_line(finished):
    command, _ = finished
    process = command.start("runs", "--json", stdout="/dev/full")
    _, err = process.communicate(timeout=60)
    assert process.returncode == 2
    assert err == "lemonade-es: the output cannot be written: No space left on device\n"


@pytest.mark.slow
def test_a_killed_run_is_taken_up_where_it_was(lemonade, finished):
    process = lemonade.start("run", "--iterations", 3, "--epochs", 2)
    for line in process.stdout:
        if line.startswith("iteration 2:"):
            break
    process.kill()
    process.communicate(timeout=60)
    resumed = lemonade("run", "--resume", "latest", "--json")
    assert resumed.code == 0, resumed.err
    assert resumed.json["best"]["CM"] == finished[1]["best"]["CM"]


@pytest.mark.slow
def test_the_same_seed_gives_the_same_decisions_whatever_the_hash_seed(lemonade, finished):
    command, result = finished
    other = lemonade("run", "--iterations", 3, "--epochs", 2, "--json", PYTHONHASHSEED="1")
    assert other.json["instructions_per_iteration"] == result["instructions_per_iteration"]
    requests = [
        [item["request"] for item in runner("explain", "latest", "--json").json] for runner in (command, lemonade)
    ]
    assert json.dumps(requests[0]) == json.dumps(requests[1])


@pytest.mark.slow
def test_a_disk_that_fills_up_ends_the_run_with_one_line_and_a_resume_loses_nothing(lemonade, finished, tmp_path):
    done = lemonade("run", "--iterations", 3, "--epochs", 2, file_bytes=180_000)
    assert done.code == 2, done.out
    assert len(done.err.strip().splitlines()) == 1
    assert not [path.name for path in tmp_path.rglob(".new-*")]
    resumed = lemonade("run", "--resume", "latest", "--json")
    assert resumed.code == 0, resumed.err
    assert resumed.json["instructions_per_iteration"] == finished[1]["instructions_per_iteration"]
    assert resumed.json["best"]["CM"] == finished[1]["best"]["CM"]


@pytest.mark.slow
def test_a_disk_that_is_full_from_the_beginning_leaves_nothing_behind(lemonade, tmp_path):
    done = lemonade("run", "--iterations", 1, "--epochs", 1, "--limit", 100, file_bytes=20_000)
    assert done.code == 2
    assert done.out == ""
    assert len(done.err.strip().splitlines()) == 1, done.err
    assert not (tmp_path / "runs").exists()


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
    assert same["fires"]["slow"] == 2
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


@pytest.mark.parametrize("of", [(Search, "run"), (RunFolder, "leave_best")], ids=["search", "end"])
def test_a_search_that_the_system_breaks_off_says_how_it_goes_on(tmp_path, monkeypatch, of):
    def refuse(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "weights")

    monkeypatch.setattr(*of, refuse)
    words = ["run", "--iterations", "1", "--epochs", "1", "--limit", "100", "--out", str(tmp_path)]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 2
    (told,) = [line for line in done.stderr.splitlines() if line.startswith("lemonade-es: ")]
    on = "weights: the system refused: No space left on device (then go on with: lemonade-es run --resume"
    assert told.startswith(f"lemonade-es: {on}")
