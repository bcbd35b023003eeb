"""The final training as a user runs it: folder, record and errors."""

from __future__ import annotations

import csv
import json
import shutil

import pytest

from tests.cli.conftest import FINALIZE, copied, finals

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


def test_the_same_again_computes_nothing_and_leaves_the_folder_anew(trained):
    command, told = trained
    folder = command.folder / told["folder"]
    weights = (folder / "weights.safetensors").read_bytes()
    before = len(finals(command.folder))
    shutil.rmtree(folder)
    again = command(*FINALIZE)
    assert again.json == {**told, "trained_now": False}
    assert (folder / "weights.safetensors").read_bytes() == weights
    assert len(finals(command.folder)) == before


def test_the_page_of_the_run_tells_of_its_final_training_and_where_it_lies(trained):
    command, told = trained
    (final,) = command("runs", "show", "latest", "--json").json["finals"]
    same = ("iteration", "training", "data", "trained_on", "held_out", "tested_before", "folder")
    assert {key: final[key] for key in same} == {key: told[key] for key in same}
    assert final["epochs"] == 2
    assert final["test"] == {key: told["test"][key] for key in ("count", "accuracy", "interval")}
    page = " ".join(command("runs", "show", "latest").out.split())
    assert f"final training: iteration {told['iteration']}, 2 epochs on {told['trained_on']:,} inputs of digits" in page
    assert f"test accuracy {told['test']['accuracy']:.2%}" in page
    assert f"in runs/{told['run']}/final" in page


def test_a_final_training_whose_folder_is_gone_is_told_all_the_same(trained, tmp_path):
    command = copied(trained, tmp_path / "copy")
    shutil.rmtree(command.folder / "runs" / trained[1]["run"] / "final")
    (final,) = command("runs", "show", "latest", "--json").json["finals"]
    assert final["folder"] is None
    assert "its folder is gone" in " ".join(command("runs", "show", "latest").out.split())


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
        (["latest", "--epochs", "5", "--recipe", "epochs=50"], "5 is asked for, and epochs=50 by the recipe"),
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
