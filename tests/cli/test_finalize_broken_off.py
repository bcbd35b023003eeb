"""A final training that is broken off: what it says, what it keeps, and how it goes on."""

from __future__ import annotations

import hashlib
import signal
import time
from dataclasses import replace
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from lemonade_es.cli import main
from lemonade_es.commands import finalize as finalize_command
from lemonade_es.engine.final.final_plan import FinalSpec
from lemonade_es.engine.final.finalize import finalize
from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.history.checkpoints import FolderCheckpoints
from lemonade_es.engine.history.finalized import OpenedTest, openings
from lemonade_es.engine.spec import Whereabouts
from lemonade_es.errors import ConfigError, DataError
from lemonade_es.report import model_card
from lemonade_es.report.finishing import SilentFinish
from lemonade_es.trainer.measurement import Epoch, Failure, Measurement, Trained
from lemonade_es.trainer.trials.final_trial import Finished, Progress
from lemonade_es.trainer.workshop import Workshop
from tests.cli.conftest import copied, events, finals

pytestmark = pytest.mark.isolation


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


def test_an_interrupt_says_how_to_go_on(command):
    process = command.start("finalize", "latest", "--epochs", 400, "--checkpoint-seconds", 0)
    until_saved(command.folder, process)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    (run,) = (path.name for path in (command.folder / "runs").glob("2*"))
    assert f"is kept; go on with: lemonade-es finalize {run} --epochs 400 --checkpoint-seconds 0.0" in err


def in_this_process(*words):
    """What a command came to; it sets handlers of signals, which are taken back."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        return CliRunner().invoke(main, words)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_an_interrupt_before_the_training_goes_on_does_not_deny_its_checkpoint(trained, monkeypatch):
    command, told = trained

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("lemonade_es.engine.final.finalize.finalize", interrupted)
    done = in_this_process("finalize", told["run"], "--out", str(command.folder / "runs"))
    assert done.exit_code == 130
    said = f"interrupted; the training had not begun; go on with: lemonade-es finalize {told['run']} --out"
    assert done.stderr.startswith(said)


def test_an_interrupt_while_the_folder_is_written_says_that_nothing_is_to_be_trained_again(trained, monkeypatch):
    command, told = trained

    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("lemonade_es.engine.final.finalize.finalize", lambda *_: object())
    monkeypatch.setattr("lemonade_es.report.final_folder.leave_final", interrupted)
    done = in_this_process("finalize", told["run"], "--anew", "--out", str(command.folder / "runs"))
    assert done.exit_code == 130
    said = f"interrupted; the result is recorded; go on with: lemonade-es finalize {told['run']} --out"
    assert done.stderr.startswith(said)
    assert "--anew" not in done.stderr


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
def test_anew_given_again_goes_on_where_it_was_broken_off_and_begins_once_more_when_it_was_done(anew):
    folder, wishes = RunFolder(anew.folder / "runs"), FinalSpec(epochs=2, recipe={"lr": 0.05}, anew=True)
    assert finalize("latest", folder, SilentFinish(), wishes).finalized.taken_up == (2,)
    assert finalize("latest", folder, SilentFinish(), wishes).finalized.taken_up == ()


@pytest.mark.slow
@pytest.mark.parametrize("end", ["failed", "damaged", "begun without it"])
def test_anew_begins_from_the_start_where_nothing_of_it_was_broken_off(anew, end):
    folder, wishes = RunFolder(anew.folder / "runs"), FinalSpec(epochs=2, recipe={"lr": 0.05}, anew=True)
    kept = folder.checkpoints(folder.find("latest"), finals(anew.folder)[-1].training)
    assert kept.begun_anew()
    if end == "failed":
        kept.failed()
        assert kept.progress() is not None
    elif end == "damaged":
        next(kept.path.glob("*.safetensors")).write_bytes(b"")
    else:
        kept.save(*kept.load())
    assert finalize("latest", folder, SilentFinish(), wishes).finalized.taken_up == ()


def test_anew_does_not_take_up_what_failed(command, monkeypatch):
    folder, wishes = RunFolder(command.folder / "runs"), FinalSpec(epochs=2, anew=True)
    failed = Finished(Trained(Measurement({}, failure=Failure("DIVERGED", "its loss is not finite"))), (), ())

    def saved_and_failed(_, source, course, **__):
        course.checkpoints.save(Progress("cpu", (Epoch(1.0, 0.1),)), b"standing")
        assert course.checkpoints.begun_anew()
        return failed

    monkeypatch.setattr(Workshop, "finish", saved_and_failed)
    assert finalize("latest", folder, SilentFinish(), wishes).failure is not None
    (kept,) = (command.folder / "runs").glob("*/checkpoints/*")
    assert FolderCheckpoints(kept).progress() is not None
    assert not FolderCheckpoints(kept).begun_anew()


@pytest.mark.parametrize("wrong", ["data", "device"])
def test_anew_that_is_refused_takes_no_checkpoint_away(anew, wrong, monkeypatch):
    def refused(_):
        raise ConfigError("cuda cannot be used")

    folder, wishes = RunFolder(anew.folder / "runs"), FinalSpec(epochs=2, recipe={"lr": 0.05}, anew=True)
    kept = folder.checkpoints(folder.find("latest"), finals(anew.folder)[-1].training)
    kept.failed()  # from here on it is no longer one of --anew
    if wrong == "data":
        wishes = replace(wishes, whereabouts=Whereabouts("there_is_no.csv"))
    else:
        monkeypatch.setattr(Workshop, "device", property(refused))
    with pytest.raises((ConfigError, DataError)):
        finalize("latest", folder, SilentFinish(), wishes)
    assert kept.progress() is not None


def test_a_checkpoint_of_anew_on_another_device_is_left_and_the_way_told(anew):
    folder = RunFolder(anew.folder / "runs")
    kept = replace(folder.checkpoints(folder.find("latest"), finals(anew.folder)[-1].training), anew=True)
    progress, standing = kept.load()
    kept.save(replace(progress, device="cuda"), standing)
    with pytest.raises(ConfigError, match=r"on cuda, and .* on cpu.*use --device cuda, or remove this folder"):
        finalize("latest", folder, SilentFinish(), FinalSpec(epochs=2, recipe={"lr": 0.05}, anew=True, device="cpu"))
    assert kept.progress() is not None


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
