"""The card of a network that was trained in the end."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lemonade_es.engine.final.origin import network_of
from lemonade_es.engine.folder import RunFolder
from lemonade_es.report import model_card
from lemonade_es.trainer.measurement import DeviceOutcome
from tests.cli.conftest import finals

pytestmark = pytest.mark.isolation

FOLDER = RunFolder(Path("runs"))


def card_of(trained, spec_data, notes, name="digits"):
    """The card that the training would have on data of another name, with other notes."""
    command, told = trained
    entries = RunFolder(command.folder / "runs").entries(told["run"])
    origin = network_of(entries, told["iteration"])
    begun = origin.begun
    data = replace(begun.data, notes=notes, task=replace(begun.data.task, data=name))
    other = replace(begun, spec=replace(begun.spec, data=spec_data), data=data)
    return model_card.model_card(finals(command.folder)[-1], replace(origin, begun=other), FOLDER)


@pytest.mark.parametrize(
    ("out", "store", "more"),
    [
        ("runs", None, ""),
        ("my runs", None, " --out 'my runs'"),
        ("runs", "sqlite:///all.db", " --store sqlite:///all.db"),
        ("runs", "postgresql://me:secret@host/db", " --store URL"),
    ],
)
def test_the_card_names_the_folder_of_its_run_in_the_command_that_explains_it(trained, out, store, more):
    command, told = trained
    origin = network_of(RunFolder(command.folder / "runs").entries(told["run"]), told["iteration"])
    card = model_card.model_card(finals(command.folder)[-1], origin, RunFolder(Path(out), store))
    assert f"`lemonade-es explain {told['run']} --iteration {told['iteration']}{more}`\n" in card


@pytest.mark.parametrize(
    ("name", "code"), [("i_testsize", "`i_testsize`"), ("a|b*c", "`a\\|b*c`"), ("it`s", "`` it`s ``")]
)
def test_the_name_of_the_data_is_code_in_the_card_and_not_escaped_as_text(trained, name, code):
    assert f"| data set | {code}" in card_of(trained, name, ())


def test_the_card_tells_the_scale_of_a_target_in_full(trained):
    command, told = trained
    origin = network_of(RunFolder(command.folder / "runs").entries(told["run"]), told["iteration"])
    final = replace(finals(command.folder)[-1], target_scale=(1000000010.733, 3.84981))
    assert "prediction = output x 3.84981 + 1000000010.733" in model_card.model_card(final, origin, FOLDER)


def test_power_in_the_card_is_the_energy_of_one_input_over_its_time(trained):
    command, _ = trained
    inference = finals(command.folder)[-1].measurement.energy["inference"]
    row = next(line for line in card_of(trained, "x", ()).splitlines() if line.startswith("| `W`"))
    assert f"energy of one input in {inference.seconds * 1e3:.3g} ms, " in row
    assert float(row.split("|")[2].removesuffix(" mW ").replace(",", "")) == pytest.approx(
        inference.joules / inference.seconds * 1e3, rel=1e-2
    )


def test_the_card_names_each_rulebook_that_advised(trained):
    command, told = trained
    origin = network_of(RunFolder(command.folder / "runs").entries(told["run"]), told["iteration"])
    changed = replace(origin, rulebooks=("a1", "b2"))
    card = model_card.model_card(finals(command.folder)[-1], changed, FOLDER)
    assert "| rulebook | `lemonade.yaml`, SHA-256 `a1`, then `b2` |" in card


def test_the_card_names_the_columns_of_a_file_that_were_chosen(trained):
    command, told = trained
    origin = network_of(RunFolder(command.folder / "runs").entries(told["run"]), told["iteration"])
    spec = replace(origin.begun.spec, data="churn.csv", target_column="left|stayed")
    origin = replace(origin, begun=replace(origin.begun, spec=spec))
    card = model_card.model_card(finals(command.folder)[-1], origin, FOLDER)
    assert "| data set | `churn.csv` |\n| target column | `left\\|stayed` |\n| task |" in card
    assert "label column" not in card


def test_the_card_tells_what_the_device_measured_in_the_search(trained):
    """Its own figures are those of the machine that trained, and whoever asked for a board's looks for these."""
    command, told = trained
    origin = network_of(RunFolder(command.folder / "runs").entries(told["run"]), told["iteration"])
    board = DeviceOutcome("./board.sh", 1.0, "pi|4")
    there = replace(origin.measured.measurement, sources={"L": "device", "F": "device"}, device=board)
    ended = replace(origin.ended, metrics={**origin.ended.metrics, "L": 3.2, "F": 312.5})
    changed = replace(origin, measured=replace(origin.measured, measurement=there), ended=ended)
    final = finals(command.folder)[-1]
    row = "| measured on pi\\|4 | in the search, with other weights: L 3.2 ms, F 312 1/s |"
    assert row in model_card.model_card(final, changed, FOLDER)
    assert "| measured on " not in model_card.model_card(final, origin, FOLDER)


def test_the_card_claims_no_more_than_what_was_done(trained):
    """The curve is taken between the windows of the training's energy, and the data may say what is for the test."""
    card = card_of(trained, "x", ())
    row = next(line for line in card.splitlines() if line.startswith("| training | ") and " J = " in line)
    assert "| energy of this training, the curve of accuracy left out |" in row
    assert "split at random" not in card
    assert "nothing in this training was chosen by it" in card  # but the network, perhaps, by an earlier test


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
    card = model_card.model_card(replace(final, measurement=mute), origin, FOLDER)
    assert "RAISED: ValueError: \\<img src=x\\> \\| !\\[now\\](http://there/) |\n" in card


def test_the_card_does_not_promise_that_inputs_which_occur_twice_are_new(trained):
    plain = card_of(trained, "x", ("12 images are grey",))
    assert "of the test split, which was kept from the search and from the training. It was" in plain
    twice = card_of(trained, "x", ("2 rows repeat another one; they were kept, and the same row may be in several",))
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
