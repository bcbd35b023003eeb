"""The final training as a user runs it: folder, record, errors, and processes that are stopped."""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from lemonade_es.cli import main
from lemonade_es.commands import finalize as finalize_command
from lemonade_es.engine.checkpoints import FolderCheckpoints
from lemonade_es.engine.events import Finalized
from lemonade_es.engine.final_plan import FinalSpec
from lemonade_es.engine.finalize import finalize
from lemonade_es.engine.finalized import OpenedTest, openings
from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.origin import network_of
from lemonade_es.report import model_card
from lemonade_es.report.finishing import SilentFinish
from lemonade_es.trainer.final_trial import Finished
from lemonade_es.trainer.measurement import Failure, Measurement, Trained
from lemonade_es.trainer.workshop import Workshop

pytestmark = pytest.mark.isolation

FILES = {
    "confusion.csv",
    "curves.csv",
    "curves.png",
    "final.json",
    "model-card.md",
    "model.py",
    "weights.safetensors",
}


WORDS = ("finalize", "latest", "--epochs", 2, "--recipe", "lr=0.05", "--json")


def copied(finished, folder):
    """The command in a folder of its own, with a copy of a finished run."""
    ours, _ = finished
    shutil.copytree(ours.folder / "runs", folder / "runs")
    return type(ours)(folder)


@pytest.fixture
def command(finished, tmp_path):
    return copied(finished, tmp_path / "copy")


@pytest.fixture(scope="module")
def trained(finished, tmp_path_factory):
    """A run whose network was trained in the end: the command in its folder, and what it printed."""
    command = copied(finished, tmp_path_factory.mktemp("trained") / "copy")
    done = command(*WORDS)
    assert done.code == 0, done.err
    return command, done.json


@pytest.mark.parametrize(("anew", "words"), [(True, ["--epochs", "2", "--anew"]), (False, ["--epochs", "2"])])
def test_the_command_to_go_on_with_begins_anew_only_where_nothing_is_kept(anew, words):
    given = ["latest", "--anew", "--epochs", "2", "--store", "sqlite:///secret.db"]
    # with what the command inherits: click keeps the help option that it makes first, for all tests to come
    parent = click.Context(main, info_name="lemonade-es", **main.context_settings)
    context = finalize_command.finalize.make_context("finalize", given, parent=parent)
    again = list(finalize_command._again(context, "r-1", anew=anew))
    assert again[:3] == ["lemonade-es", "finalize", "r-1"]
    assert sorted(again[3:]) == sorted(words)


def test_what_a_recipe_leaves_to_its_default_is_left_to_it_by_the_command_to_go_on_with():
    parent = click.Context(main, info_name="lemonade-es", **main.context_settings)
    given = ["latest", "--recipe", "crop_size=null", "--recipe", "flip=false", "--recipe", "lr=1e-3"]
    context = finalize_command.finalize.make_context("finalize", given, parent=parent)
    again = list(finalize_command._again(context, "r-1", anew=True))
    after = finalize_command.finalize.make_context("finalize", again[2:], parent=parent)
    assert after.params["recipe"] == (("crop_size", None), ("flip", False), ("lr", 0.001))


def card_of(trained, spec_data, notes, name="digits"):
    """The card that the training would have on data of another name, with other notes."""
    command, told = trained
    entries = RunFolder(command.folder / "runs").entries(told["run"])
    origin = network_of(entries, told["iteration"])
    begun = origin.begun
    data = replace(begun.data, notes=notes, task=replace(begun.data.task, data=name))
    other = replace(begun, spec=replace(begun.spec, data=spec_data), data=data)
    return model_card.model_card(finals(command.folder)[-1], replace(origin, begun=other))


def events(folder):
    return [entry.event for entry in RunFolder(folder / "runs").entries("latest")]


def finals(folder):
    return [event for event in events(folder) if isinstance(event, Finalized)]


def test_a_network_is_trained_on_both_splits_and_tested(trained):
    command, told = trained
    assert told["trained_now"] is True
    assert (told["recipe"]["epochs"], told["recipe"]["lr"], told["recipe"]["batch_size"]) == (2, 0.05, 256)
    assert (told["trained_on"], told["held_out"]) == (1257 + 270, 0)
    test = told["test"]
    assert test["count"] == sum(map(sum, test["confusion"])) == 270
    assert test["interval"]["low"] < test["accuracy"] < test["interval"]["high"]
    assert told["metrics"]["V_Acc"] is None
    assert told["metrics"]["L"] > 0
    assert set(told["energy"]) == {"training", "test", "inference"}
    assert not (command.folder / told["folder"] / ".." / "checkpoints").exists()


def test_the_folder_has_all_that_is_needed_to_use_and_to_judge_it(trained):
    command, told = trained
    folder = command.folder / told["folder"]
    assert {path.name for path in folder.iterdir()} == FILES
    card = (folder / "model-card.md").read_text()
    for words in (told["fingerprint"], told["run"], "95 % interval", "Confusion matrix", "Apache-2.0", "curves.png"):
        assert words in card
    with (folder / "curves.csv").open() as file:
        assert [row[0] for row in csv.reader(file)] == ["epoch", "1", "2"]
    assert (folder / "curves.png").read_bytes()[:4] == b"\x89PNG"
    record = json.loads((folder / "final.json").read_text())
    assert record == {key: told[key] for key in record}
    assert set(told) - set(record) == {"trained_now", "failure", "folder"}


@pytest.mark.parametrize(
    ("name", "code"), [("i_testsize", "`i_testsize`"), ("a|b*c", "`a\\|b*c`"), ("it`s", "`` it`s ``")]
)
def test_the_name_of_the_data_is_code_in_the_card_and_not_escaped_as_text(trained, name, code):
    assert f"| data set | {code}" in card_of(trained, name, ())


def test_the_card_tells_the_scale_of_a_target_in_full(trained):
    command, told = trained
    origin = network_of(RunFolder(command.folder / "runs").entries(told["run"]), told["iteration"])
    final = replace(finals(command.folder)[-1], target_scale=(1000000010.733, 3.84981))
    assert "prediction = output x 3.84981 + 1000000010.733" in model_card.model_card(final, origin)


def test_power_in_the_card_is_the_energy_of_one_input_over_its_time(trained):
    command, _ = trained
    inference = finals(command.folder)[-1].measurement.energy["inference"]
    row = next(line for line in card_of(trained, "x", ()).splitlines() if line.startswith("| `W`"))
    assert f"energy of one input in {inference.seconds * 1e3:.3g} ms, " in row
    assert float(row.split("|")[2].removesuffix(" mW ").replace(",", "")) == pytest.approx(
        inference.joules / inference.seconds * 1e3, rel=1e-2
    )


def test_words_of_the_data_are_no_markup_in_the_card(trained):
    card = card_of(trained, "x", ("'<script>a|b</script>' has 3 images",), "<b>birds</b>")
    assert card.startswith("# \\<b\\>birds\\</b\\>: the network")
    assert "- '\\<script\\>a\\|b\\</script\\>' has 3 images" in card


def test_words_of_the_network_are_no_markup_in_the_card(trained):
    """It may fail where a batch is timed, and says itself why: that is the reason why ``B`` is not known."""
    command, told = trained
    final = finals(command.folder)[-1]
    said = "RAISED: ValueError: <img src=x> | ![now](http://there/)"
    mute = replace(final.measurement, metrics={**final.measurement.metrics, "B": None}, absent={"B": said})
    origin = network_of(RunFolder(command.folder / "runs").entries(told["run"]), told["iteration"])
    card = model_card.model_card(replace(final, measurement=mute), origin)
    assert "RAISED: ValueError: \\<img src=x\\> \\| !\\[now\\](http://there/) |\n" in card


def test_the_card_does_not_promise_that_inputs_which_occur_twice_are_new(trained):
    plain = card_of(trained, "x", ("12 images are grey",))
    assert "of the test split, which was kept from the search and from the training. It was" in plain
    twice = card_of(trained, "x", ("2 row(s) repeat another one; they were kept, and the same row may be in several",))
    assert "from the training (but for inputs that occur more than once: see Data). It was" in twice


def test_the_card_says_how_to_load_it(trained):
    command, told = trained
    card = (command.folder / told["folder"] / "model-card.md").read_text()
    snippet = card.split("```python\n")[1].split("```")[0]
    done = subprocess.run(
        [sys.executable, "-c", snippet + "\nimport torch\nprint(tuple(model(torch.zeros(3, 1, 8, 8)).shape))"],
        cwd=command.folder / told["folder"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "(3, 10)\n", done.stderr


def test_the_same_again_computes_nothing_and_leaves_the_folder_anew(trained):
    command, told = trained
    folder = command.folder / told["folder"]
    weights = (folder / "weights.safetensors").read_bytes()
    before = len(finals(command.folder))
    shutil.rmtree(folder)
    again = command(*WORDS)
    assert again.json == {**told, "trained_now": False}
    assert (folder / "weights.safetensors").read_bytes() == weights
    assert len(finals(command.folder)) == before


@pytest.mark.slow
def test_another_training_has_a_folder_of_its_own_and_is_told_to_be_the_second(trained):
    command, told = trained
    other = command("finalize", "latest", "--epochs", 1, "--hold-out", "validation")
    assert other.code == 0, other.err
    assert "270 held out" in other.out
    assert "the test split was opened for the 2nd time" in " ".join(other.out.split())
    assert (command.folder / told["folder"] / ".." / "final-2" / "model.py").exists()


def test_a_search_takes_no_notice_of_a_final_training(trained):
    command, _ = trained
    assert command("run", "--resume", "latest", "--json").json["iterations"] == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nobody"], "there is no run 'nobody'"),
        (["latest", "--iteration", "9"], "iteration 9 has no network (those with one: 1, 2, 3)"),
        (["latest", "--epochs", "0"], "epochs is 0"),
        (["latest", "--recipe", "lrr=1"], "a recipe has no field 'lrr' (did you mean lr?)"),
        (["latest", "--recipe", "optimizer"], "'optimizer' is not NAME=VALUE"),
    ],
)
def test_what_cannot_be_trained_is_one_line(command, words, said):
    done = command("finalize", *words)
    assert done.code == 2
    assert said in " ".join(done.err.split())
    assert "Traceback" not in done.err


def test_data_that_changed_are_refused_before_anything_is_trained(lemonade, tree):
    assert lemonade("run", "--data", tree, "--iterations", 1, "--epochs", 1).code == 0
    next((tree / "cat").iterdir()).unlink()
    done = lemonade("finalize", "latest", "--epochs", 1)
    assert done.code == 2
    assert "the data set is not the one that the run was started with" in done.err


def test_a_full_disk_is_one_line_and_nothing_half_written(command):
    done = command("finalize", "latest", "--epochs", 1, file_bytes=20_000)
    assert done.code == 2
    assert "Traceback" not in done.err
    assert finals(command.folder) == []


def test_an_interrupt_says_how_to_go_on(command):
    process = command.start("finalize", "latest", "--epochs", 400, "--checkpoint-seconds", 0)
    until_saved(command.folder, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    (run,) = (path.name for path in (command.folder / "runs").glob("2*"))
    assert f"is kept; go on with: lemonade-es finalize {run} --epochs 400 --checkpoint-seconds 0.0" in err


def test_an_interrupt_before_the_training_goes_on_does_not_deny_its_checkpoint(trained, monkeypatch):
    command, told = trained

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("lemonade_es.engine.finalize.finalize", interrupted)
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        done = CliRunner().invoke(main, ["finalize", told["run"], "--out", str(command.folder / "runs")])
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    assert done.exit_code == 130
    said = f"interrupted; the training had not begun; go on with: lemonade-es finalize {told['run']} --out"
    assert done.stderr.startswith(said)


@pytest.mark.slow
def test_a_reader_that_leaves_does_not_end_the_training(command):
    process = command.start("finalize", "latest", "--epochs", 40)
    process.stdout.readline()
    process.stdout.close()
    assert process.wait(timeout=120) == 0, process.stderr.read()
    process.stderr.close()
    assert len(finals(command.folder)) == 1


@pytest.mark.slow
def test_a_test_that_is_broken_off_counts(command, monkeypatch):
    folder, wishes = RunFolder(command.folder / "runs"), FinalSpec(epochs=1)

    def broken_off(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Workshop, "examine", broken_off)
        with pytest.raises(KeyboardInterrupt):
            finalize("latest", folder, SilentFinish(), wishes)
    assert isinstance(events(command.folder)[-1], OpenedTest)
    result = finalize("latest", folder, SilentFinish(), wishes)
    assert result.failure is None
    assert result.finalized.tested_before == 1
    assert "for the 2nd time" in model_card.tested_told(result.finalized)
    assert openings(events(command.folder)) == 2
    of_old = [event for event in events(command.folder) if not isinstance(event, OpenedTest)]
    assert openings(of_old) == 1


@pytest.fixture
def anew(trained, tmp_path, monkeypatch):
    """A copy of the trained run, in which the same training was begun anew and broken off before its test."""
    command = copied(trained, tmp_path / "anew")
    wishes = FinalSpec(epochs=2, recipe={"lr": 0.05}, anew=True)

    def broken_off(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(Workshop, "examine", broken_off)
        with pytest.raises(KeyboardInterrupt):
            finalize("latest", RunFolder(command.folder / "runs"), SilentFinish(), wishes)
    return command


@pytest.mark.slow
def test_a_training_anew_that_was_broken_off_is_taken_up(anew):
    folder, wishes = RunFolder(anew.folder / "runs"), FinalSpec(epochs=2, recipe={"lr": 0.05})
    before = len(finals(anew.folder))
    result = finalize("latest", folder, SilentFinish(), wishes)
    assert result.fresh
    assert result.finalized.taken_up == (2,)
    assert len(finals(anew.folder)) == before + 1
    assert not finalize("latest", folder, SilentFinish(), wishes).fresh


@pytest.mark.slow
def test_a_checkpoint_that_outlived_its_training_opens_no_test_again(trained, tmp_path, monkeypatch):
    command = copied(trained, tmp_path / "outlived")
    folder = RunFolder(command.folder / "runs")
    with monkeypatch.context() as patched:
        patched.setattr(FolderCheckpoints, "forget", lambda _: None)  # the process ends before it gets there
        finished = finalize("latest", folder, SilentFinish(), FinalSpec(epochs=1, recipe={"lr": 0.06}))
    kept = folder.checkpoints(finished.origin.run, finished.finalized.training)
    assert kept.progress() is not None
    again = finalize("latest", folder, SilentFinish(), FinalSpec(epochs=1, recipe={"lr": 0.06}))
    assert not again.fresh
    assert again.finalized == finished.finalized
    assert kept.progress() is None


def test_a_training_anew_that_fails_leaves_the_result_of_before(anew, monkeypatch):
    folder, wishes = RunFolder(anew.folder / "runs"), FinalSpec(epochs=2, recipe={"lr": 0.05})
    before = finals(anew.folder)
    failed = Finished(Trained(Measurement({}, failure=Failure("DIVERGED", "its loss is not finite"))), (), ())
    with monkeypatch.context() as patched:
        patched.setattr(Workshop, "finish", lambda *_, **__: failed)
        assert finalize("latest", folder, SilentFinish(), wishes).failure == failed.trained.measurement.failure
    result = finalize("latest", folder, SilentFinish(), wishes)
    assert not result.fresh
    assert result.finalized in before
    assert (result.finalized.recipe.epochs, result.finalized.recipe.lr) == (2, 0.05)
    assert finals(anew.folder) == before


@pytest.mark.slow
def test_a_killed_training_ends_with_the_same_weights(command, finished, tmp_path):
    """Killed in the middle, more than once, wherever it was."""
    words = ("finalize", "latest", "--epochs", 12, "--recipe", "batch_size=64", "--checkpoint-seconds", 0, "--json")
    unbroken = copied(finished, tmp_path / "unbroken")
    whole = unbroken(*words)
    assert whole.code == 0, whole.err
    for _ in range(2):
        process = command.start(*words)
        until_saved(command.folder, process)
        process.kill()
        process.communicate()
    assert finals(command.folder) == []
    done = command(*words)
    assert done.code == 0, done.err
    assert len(done.json["taken_up"]) == 2
    assert sha(command.folder / done.json["folder"]) == sha(unbroken.folder / whole.json["folder"])
    assert [epoch["loss"] for epoch in done.json["epochs"]] == [epoch["loss"] for epoch in whole.json["epochs"]]
    assert done.json["test"] == whole.json["test"]


@pytest.mark.slow
def test_a_regression_has_errors_in_its_unit(lemonade):
    assert lemonade("run", "--data", "diabetes", "--iterations", 1, "--epochs", 2).code == 0
    done = lemonade("finalize", "latest", "--epochs", 30, "--json")
    assert done.code == 0, done.err
    residuals = done.json["test"]["residuals"]
    assert residuals["mae"] <= residuals["rmse"] < 1.2 * residuals["spread"]
    assert residuals["r2_interval"]["low"] < residuals["r2"] < residuals["r2_interval"]["high"]
    folder = lemonade.folder / done.json["folder"]
    assert {path.name for path in folder.iterdir()} == FILES - {"confusion.csv"}
    assert "mean absolute error" in (folder / "model-card.md").read_text()


@pytest.mark.slow
def test_texts_and_tables_are_finalized_too(lemonade):
    rows = [f'"a {"fine" if i % 2 else "dull"} film, seen {i} times",{"good" if i % 2 else "bad"}' for i in range(160)]
    (lemonade.folder / "films.csv").write_text("\n".join(["review,sentiment", *rows]))
    rows = [f"{i % 5},{(i * 7) % 11},{'yes' if i % 2 else 'no'},{'b' if i % 2 else 'a'}" for i in range(120)]
    (lemonade.folder / "table.csv").write_text("\n".join(["x,y,z,kind", *rows]))
    for words in (["films.csv"], ["table.csv", "--target-column", "kind"]):
        run = lemonade(
            "run", "--data", *words, "--rulebook", "text" if len(words) == 1 else "lemonade", "--iterations", 1
        )
        assert run.code == 0, run.err
        done = lemonade("finalize", "latest", "--epochs", 20, "--recipe", "batch_size=8", "--json")
        assert done.code == 0, done.err
        assert done.json["test"]["accuracy"] > 0.9


def until_saved(folder: Path, process, seconds=120):
    """Waits until the training has kept two checkpoints since it was started: of the first it then knows."""
    end = time.monotonic() + seconds
    for _ in range(2):
        before = saved_at(folder)
        while saved_at(folder) == before and process.poll() is None and time.monotonic() < end:
            time.sleep(0.02)
        assert saved_at(folder) != before or process.poll() == 0


def saved_at(folder: Path):
    return {path: path.stat().st_mtime_ns for path in (folder / "runs").glob("*/checkpoints/*/progress.json")}


def sha(folder: Path):
    return hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
