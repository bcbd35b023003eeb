"""What `lemonade-es export` leaves behind: folders whose examples run on their own and say what PyTorch says."""

from __future__ import annotations

import csv
import hashlib
import json
import os
import re
import shlex
import shutil
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import load_file

from lemonade_es.trainer.data import Reading, load

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
pytestmark = [pytest.mark.isolation, pytest.mark.slow]

WEIGHTS = "weights.safetensors"


def infer(folder, *words):
    """What the example prints, in a process that cannot import this package."""
    blocked = folder.parent / "blocked" / "lemonade_es"
    blocked.mkdir(parents=True, exist_ok=True)
    (blocked / "__init__.py").write_text("raise RuntimeError('the example needs this package')")
    done = subprocess.run(
        [sys.executable, folder / "infer.py", *map(str, words)],
        env={"PYTHONPATH": str(blocked.parent), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "not writable" not in done.stderr
    return done.stdout.splitlines()


def classes(lines):
    return [re.fullmatch(r".*: (.+) \([\d.]+%\)", line)[1] for line in lines]


@pytest.fixture(scope="module")
def digits_run(finished):
    return finished


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    """The validation images as files, and their labels."""
    folder = tmp_path_factory.mktemp("pictures")
    dataset = load("digits")
    paths = []
    for index, image in enumerate(dataset.validation):
        paths.append(folder / f"{index:03}.png")
        Image.fromarray(image[0]).save(paths[-1])
    return paths, dataset.validation_labels


@pytest.mark.parametrize(
    ("options", "files"),
    [
        (["--format", "onnx"], {"model.onnx"}),
        (["--format", "torchscript"], {"model.pt"}),
        (["--format", "source"], {"model.py", "weights.safetensors"}),
    ],
)
def test_an_exported_image_network_is_as_right_as_the_search_measured_it(
    digits_run, pictures, tmp_path, options, files
):
    lemonade, run = digits_run
    done = lemonade("export", run["run"], *options, "--out-dir", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    about = json.loads((tmp_path / "out" / "model.json").read_text())
    assert set(about["files"]) == {*files, "labels.txt", "model.h", "infer.py"}
    assert done.json == {"folder": str(tmp_path / "out"), "failure": None, **about}
    for name, told in about["files"].items():
        content = (tmp_path / "out" / name).read_bytes()
        assert told == {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert about["iteration"] == run["best"]["iteration"]
    assert about["check"]["recorded_accuracy"] == pytest.approx(run["best"]["metrics"]["V_Acc"])
    assert about["check"]["file"]["equal_predictions"] == 1
    assert about["check"]["file"]["max_abs_difference"] <= about["check"]["tolerance"]
    assert about["check"]["file"]["latency_ms"]["p50"] > 0

    paths, labels = pictures
    answers = classes(infer(tmp_path / "out", *paths))
    right = np.mean([int(answer) == label for answer, label in zip(answers, labels, strict=True)])
    assert right == pytest.approx(about["check"]["file"]["accuracy"])
    assert len(set(answers)) > 1


def test_an_int8_export_tells_what_it_costs_and_its_example_agrees(digits_run, pictures, tmp_path):
    lemonade, run = digits_run
    done = lemonade("export", run["run"], "--quantize", "int8", "--out-dir", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    check = done.json["check"]
    assert done.json["quantized"] == "int8"
    assert check["file"]["max_abs_difference"] > check["float32_file"]["max_abs_difference"]
    assert check["accuracy_loss"] == pytest.approx(check["pytorch"]["accuracy"] - check["file"]["accuracy"])
    assert abs(check["accuracy_loss"]) < 0.05
    header = (tmp_path / "out" / "model.h").read_text()
    weights = re.findall(r"static const int8_t lemonade_weight_\d+\[(\d+)\]", header)
    scales = re.findall(r"static const float lemonade_weight_\d+_scale\[", header)
    assert len(weights) == len(scales) >= 3
    paths, labels = pictures
    answers = classes(infer(tmp_path / "out", *paths))
    assert np.mean([int(a) == b for a, b in zip(answers, labels, strict=True)]) == pytest.approx(
        check["file"]["accuracy"]
    )


def test_the_command_to_try_can_be_copied_whatever_the_folder_is_called(digits_run, tmp_path):
    lemonade, run = digits_run
    out = tmp_path / f"my {'long ' * 20}exports #1"
    told = lemonade("export", run["run"], "--format", "source", "--out-dir", out).out
    assert f"folder: {out}" in [line.strip() for line in told.splitlines()]
    tried = next(line for line in told.splitlines() if line.startswith("try it: "))
    assert shlex.split(tried.removeprefix("try it: "))[:2] == ["cd", str(out)]


def test_a_folder_is_written_anew_by_an_export_and_kept_if_anything_else_is_in_it(digits_run, tmp_path):
    lemonade, run = digits_run
    out = tmp_path / "out"
    assert lemonade("export", run["run"], "--format", "source", "--out-dir", out).code == 0
    again = lemonade("export", run["run"], "--out-dir", out)
    assert again.code == 0, again.err
    assert {path.name for path in out.iterdir()} == {"model.onnx", "labels.txt", "model.h", "infer.py", "model.json"}
    assert "100.00%" in again.out
    (out / "thesis.txt").write_text("mine")
    refused = lemonade("export", run["run"], "--out-dir", out)
    assert refused.code == 2
    assert refused.err == f"lemonade-es: {out}: there are other files in it (choose an empty folder with --out-dir)\n"
    assert (out / "model.onnx").exists()


def test_an_export_that_was_broken_off_is_written_anew(digits_run, tmp_path):
    lemonade, run = digits_run
    out = tmp_path / "out"
    assert lemonade("export", run["run"], "--format", "source", "--out-dir", out).code == 0
    (out / "infer.py").unlink()
    (out / ".new-a1b2_c3d").write_bytes(b"of a process that was killed while it wrote")
    again = lemonade("export", run["run"], "--format", "source", "--out-dir", out)
    assert again.code == 0, again.err
    names = {path.name for path in out.iterdir()}
    assert "infer.py" in names
    assert ".new-a1b2_c3d" not in names


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--iteration", "9"], "iteration 9 has no network (those with one: 1, 2, 3)"),
        (["--weights", "final"], "the run has no final training"),
        (["--format", "source", "--quantize", "int8"], "there is no int8 for source"),
        (["--format", "torchscript", "--quantize", "int8"], "there is no int8 for TorchScript"),
    ],
)
def test_what_cannot_be_exported_is_refused_in_a_line(digits_run, words, said):
    lemonade, run = digits_run
    done = lemonade("export", run["run"], *words)
    assert (done.code, done.out) == (2, "")
    assert said in done.err
    assert len(done.err.splitlines()) == 1


def test_a_folder_that_cannot_be_written_is_told_with_the_option_that_names_another(digits_run):
    lemonade, run = digits_run
    done = lemonade("export", run["run"], "--format", "source", "--out-dir", "/proc/nowhere")
    assert (done.code, done.out) == (2, "")
    assert "cannot be written" in done.err
    assert "choose --out-dir" in done.err


@pytest.fixture(scope="module")
def finalized(finished, tmp_path_factory):
    """The command in a folder with a copy of a run that has two final trainings, and the record of the last."""
    ours, _ = finished
    folder = tmp_path_factory.mktemp("finalized")
    shutil.copytree(ours.folder / "runs", folder / "runs")
    command = type(ours)(folder)
    for epochs in (1, 2):
        done = command("finalize", "latest", "--epochs", epochs, "--json")
        assert done.code == 0, done.err
    return command, done.json


def test_the_last_final_training_is_taken_by_the_record_and_said_to_have_seen_the_inputs(finalized, tmp_path):
    command, last = finalized
    run = command.folder / "runs" / last["run"]
    for path in run.glob("final*/model.py"):
        path.write_text("raise RuntimeError('somebody wrote here')")
    done = command("export", "latest", "--format", "source", "--out-dir", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert (done.json["weights"], done.json["iteration"]) == ("final", last["iteration"])
    assert "saw the validation inputs" in done.json["check"]["note"]
    artifacts = command.folder / "runs" / "artifacts"
    assert (tmp_path / "out" / "model.py").read_bytes() == (artifacts / last["source"]).read_bytes()
    trained, exported = (load_file(path) for path in (artifacts / last["weights"], tmp_path / "out" / WEIGHTS))
    assert all(np.array_equal(trained[name], exported[name]) for name in trained)


@pytest.mark.parametrize(("name", "place"), [("final-1", "final"), ("final-2", "final-2")])
def test_a_final_training_can_be_chosen_by_its_number(finalized, name, place):
    command, last = finalized
    run = command.folder / "runs" / last["run"]
    done = command("export", "latest", "--format", "source", "--weights", name, "--json")
    assert done.code == 0, done.err
    assert done.json["weights"] == name
    assert done.json["folder"] == str((run / "export" / f"{name}-source").resolve())
    weights = [path.read_bytes() for path in (run / place / WEIGHTS, run / "export" / f"{name}-source" / WEIGHTS)]
    assert weights[0] == weights[1]
    assert (run / "final" / WEIGHTS).read_bytes() != (run / "final-2" / WEIGHTS).read_bytes()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("final-7", ["the run has", "final-1: iteration", "1 epoch", "final-2: iteration", "2 epochs"]),
        ("final-0", ["neither best nor final nor final-N"]),
        ("last", ["neither best nor final nor final-N"]),
    ],
)
def test_a_final_training_that_is_not_there_is_refused(finalized, name, words):
    command, _ = finalized
    done = command("export", "latest", "--weights", name)
    assert (done.code, done.out) == (2, "")
    assert all(word in done.err for word in words), done.err


def test_the_folder_of_a_final_training_is_written_again_in_its_place(finalized):
    command, last = finalized
    run = command.folder / "runs" / last["run"]
    kept = run / "kept"
    (run / "final").rename(kept)
    try:
        again = command("finalize", "latest", "--epochs", 2, "--json")
        assert not (run / "final").exists()
    finally:
        shutil.rmtree(run / "final", ignore_errors=True)
        kept.rename(run / "final")
    assert again.json["folder"] == str((run / "final-2").resolve())


def test_final_weights_that_were_changed_are_refused(finalized, tmp_path):
    command, last = finalized
    weights = command.folder / "runs" / "artifacts" / last["weights"]
    content = weights.read_bytes()
    weights.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    try:
        done = command("export", "latest", "--format", "source", "--out-dir", tmp_path / "out")
    finally:
        weights.write_bytes(content)
    assert done.code == 2
    assert "the file is not what its name says" in done.err


GOOD, BAD = ("wonderful", "moving", "a joy"), ("dull", "awful", "a bore")


def reviews(path, count=120):
    generator = np.random.default_rng(0)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["review", "sentiment"])
        for index in range(count):
            word = (GOOD, BAD)[index % 2][generator.integers(3)]
            noise = " ".join(generator.choice(["the", "film", "plot", "actor", "it&amp;s", "music"], 6))
            writer.writerow([f"{noise} <br /> {word.upper()} {noise} {index}", ("good", "bad")[index % 2]])
    return path


def test_the_example_for_texts_cuts_and_numbers_words_as_the_training_did(lemonade, tmp_path):
    file = reviews(tmp_path / "reviews.csv")
    options = ["--data", file, "--rulebook", "text", "--iterations", 1, "--epochs", 2, "--json"]
    run = lemonade("run", *options)
    assert run.code == 0, run.err
    done = lemonade("export", "latest", "--out-dir", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert "vocabulary.txt" in done.json["files"]
    rows = list(csv.reader(file.read_text().splitlines()))[1:]
    dataset = load(str(file))
    answers = classes(infer(tmp_path / "out", *(text for text, _ in rows)))
    assert set(answers) <= {"good", "bad"}
    # the same texts as the loader numbers them, through the same file
    numbered = np.concatenate([dataset.train, dataset.validation])
    import onnxruntime  # noqa: PLC0415

    session = onnxruntime.InferenceSession(tmp_path / "out" / "model.onnx", providers=["CPUExecutionProvider"])
    logits = session.run(None, {"input": numbered.astype(np.int64)})[0]
    known = {}
    for tokens, row in zip(numbered, logits, strict=True):
        known[tuple(tokens.tolist())] = dataset.class_names[int(row.argmax())]
    vocabulary = (tmp_path / "out" / "vocabulary.txt").read_text().split("\n")[:-1]
    assert tuple(vocabulary) == dataset.text.vocabulary
    told = 0
    from lemonade_es.trainer.data.words import words  # noqa: PLC0415

    token = {word: number for number, word in enumerate(vocabulary) if number > 1}
    for (text, _), answer in zip(rows, answers, strict=True):
        tokens = [token.get(word, 1) for word in words(text)][: dataset.text.length]
        key = tuple(tokens + [0] * (dataset.text.length - len(tokens)))
        if key in known:
            told += 1
            assert known[key] == answer
    assert told > 50


def test_the_example_for_tables_encodes_rows_as_the_training_did(lemonade, tmp_path):
    generator = np.random.default_rng(0)
    path = tmp_path / "houses.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(["area", "town", "year", "sales", "price"])
        for index in range(120):
            area, town = 50 + 100 * generator.random(), ("A", "B b", "")[index % 3]
            price = 1000 * area + 20000 * (index % 3)
            shown = "" if index == 5 else f"{area:.2f}".replace(".", ",")
            year, sales = 1950 + int(50 * generator.random()), round(float(np.exp(generator.normal(8, 2))))
            writer.writerow([shown, town, year, sales, f"{price:.2f}".replace(".", ",")])
    options = ["--data", path, "--target-column", "price", "--iterations", 1, "--epochs", 3, "--json"]
    run = lemonade("run", *options)
    assert run.code == 0, run.err
    done = lemonade("export", "latest", "--out-dir", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert done.json["check"]["file"]["equal_predictions"] is None
    lines = infer(tmp_path / "out", path)
    answers = np.array([float(line.rpartition(": ")[2]) for line in lines])
    assert len(answers) == 120

    dataset = load(str(path), reading=Reading(None, None, "price", None, None))
    assert [column.log is not None for column in dataset.table.columns] == [False, False, False, True]
    import onnxruntime  # noqa: PLC0415

    session = onnxruntime.InferenceSession(tmp_path / "out" / "model.onnx", providers=["CPUExecutionProvider"])
    rows = np.concatenate([dataset.train, dataset.validation])
    wanted = session.run(None, {"input": rows})[0][:, 0] * dataset.target.std + dataset.target.mean
    # the loader shuffles: each of its predictions must be among those of the example
    nearest = np.abs(wanted[:, None] - answers[None]).min(axis=1)
    assert nearest.max() <= 1e-4 * np.abs(answers).max()
    assert answers.std() > 0


def test_a_final_training_that_held_inputs_out_is_compared_by_its_accuracy_on_them(finalized, tmp_path):
    command, _ = finalized
    held = command("finalize", "latest", "--epochs", 1, "--hold-out", "validation", "--json")
    assert held.code == 0, held.err
    done = command("export", "latest", "--format", "source", "--out-dir", tmp_path / "out", "--json")
    assert done.code == 0, done.err
    assert done.json["check"]["note"] is None
    assert done.json["check"]["recorded_accuracy"] == held.json["metrics"]["V_Acc"]


def test_a_network_for_data_whose_name_is_no_text_is_trained_and_exported(lemonade, tree):
    folder = tree.rename(os.fsdecode(os.fsencode(tree.parent) + b"/\xe9 $1_to_$2"))
    done = lemonade("run", "--data", folder, "--iterations", 1, "--epochs", 1)
    assert done.code == 0, done.err
    done = lemonade("finalize", "latest", "--epochs", 1, "--json")
    assert done.code == 0, done.err
    done = lemonade("export", "latest", "--format", "torchscript", "--out-dir", "there", "--json")
    assert done.code == 0, done.err
    about = json.loads((lemonade.folder / "there" / "model.json").read_text(encoding="utf-8"))
    assert about["data"] == done.json["data"] == "\udce9 $1_to_$2"
    picture = shutil.copy(folder / "cat" / "0.png", lemonade.folder)
    assert len(infer(lemonade.folder / "there", picture)) == 1
