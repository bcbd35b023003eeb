"""Searches on texts and tables with the built-in executor, from a CSV file to a network that learned something."""

from __future__ import annotations

import lzma
from pathlib import Path

import pytest

pytestmark = [pytest.mark.isolation, pytest.mark.slow]

IMDB = Path(__file__).parents[3] / "shared" / "data" / "imdb.csv.xz"
R2 = "R2 (share of the target's variance that is explained), clipped at 0"


def reviews(path, header="review,sentiment", count=160):
    words = {"good": ("lovely", "bright", "moving"), "bad": ("dull", "flat", "tired")}
    lines = [
        f'"a {words[label][n % 3]} film, really<br />no {n}",{label}'
        for n in range(count)
        for label in (("good", "bad")[n % 2],)
    ]
    path.write_text(f"{header}\n" + "\n".join(lines) + "\n")
    return path


def test_texts_are_searched_with_the_rulebook_for_texts(lemonade, tmp_path):
    path = reviews(tmp_path / "mail.csv", "body,folder", 800)
    words = ("--text-column", "body", "--label-column", "folder", "--rulebook", "text")
    done = lemonade("run", "--data", path, *words, "--iterations", 2, "--epochs", 15, "--json")
    assert done.code == 0, done.err
    assert done.json["valid"] == 2
    assert done.json["best"]["metrics"]["V_Acc"] > 0.9
    explained = lemonade("explain", "latest", "--iteration", 2)
    assert "by the census:" in explained.out
    source = (tmp_path / done.json["best"]["model"]).read_text()
    assert "Embedding" in source


@pytest.mark.slow
@pytest.mark.shared_data
@pytest.mark.skipif(not IMDB.exists(), reason=f"the real reviews are not there: {IMDB}")
def test_real_reviews_are_searched_to_better_than_chance(lemonade, tmp_path):
    with lzma.open(IMDB) as packed:
        (tmp_path / "imdb.csv").write_bytes(packed.read())
    words = ("--rulebook", "text", "--iterations", 3, "--limit", 1500, "--epochs", 12)
    done = lemonade("run", "--data", "imdb.csv", *words, "--json")
    assert done.code == 0, done.err
    assert done.json["valid"] == 3
    assert done.json["best"]["metrics"]["V_Acc"] > 0.55


def test_classes_of_a_table_are_searched(lemonade, tmp_path):
    path = tmp_path / "churn.csv"
    path.write_text(
        "x,y,colour,state\n"
        + "".join(
            f"{n % 17},{n % 5 or ''},{('red', 'blue')[n % 2]},{('stays', 'goes')[n % 17 > 8]}\n" for n in range(300)
        )
    )
    done = lemonade(
        "run", "--data", path, "--target", "state", "--target", "V_Acc=0.5", "--iterations", 3, "--epochs", 10
    )
    assert done.code == 0, done.err
    assert "churn (" in done.out
    assert "2 classes" in done.out
    assert "finished: the target is reached" in done.out  # with an equals sign it is a goal
    assert "R2" not in done.out


def test_a_regression_says_that_accuracy_is_r2_wherever_it_is_shown(patients):
    command, result = patients
    run = result["run"]
    assert result["accuracy"] == R2
    assert result["best"]["metrics"]["V_Acc"] > 0.1
    for words in (("explain", run), ("explain", run, "--iteration", 1), ("runs", "show", run), ("runs",)):
        done = command(*words)
        assert done.code == 0, done.err
        assert "R2" in done.out, words
    assert command("runs", "show", run, "--json").json["accuracy"] == R2
    assert command("runs", "--json").json[0]["objective"] == "regression"
    assert command("explain", run, "--iteration", 2, "--json").json["request"]["task"]["objective"] == "regression"
    asked = command("explain", run, "--why-not", "RCL")
    assert f"accuracy is {R2}" in asked.out
    book = ("rulebook", "whatif", "lemonade", "--from", run)
    assert command(*book).out.endswith(f"\naccuracy is {R2}\n")
    assert command(*book, "--sweep", "V_Acc=0:1:0.1").out.endswith(f"\naccuracy is {R2}\n")
    assert command(*book, "--json").json["accuracy"] == R2
    assert f"accuracy is {R2}" in " ".join(command("rulebook", "efficacy", run).out.split())
    assert command("rulebook", "efficacy", run, "--json").json["accuracy"] == [R2]


def test_a_network_for_a_regression_is_measured_with_its_r2(patients):
    command, result = patients
    best = result["best"]
    words = ("measure", best["model"], "--data", "diabetes", "--weights", best["weights"])
    done = command(*words, "--json")
    assert done.code == 0, done.err
    assert done.json["accuracy"] == R2
    assert done.json["metrics"]["V_Acc"] == pytest.approx(best["metrics"]["V_Acc"], abs=1e-6)
    assert f"accuracy is {R2}" in command(*words).out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--target", "prize"], "there is no column 'prize'"),
        (["--target", "price", "--target", "area"], "one column can be predicted, and 'price', 'area' were named"),
        (["--target", "price", "--target-column", "area"], "one column can be predicted"),
        (["--target", "V_Acc"], "V_Acc needs a value, for example V_Acc=0.95"),
        (["--target", "V_Acc=x"], "is not NAME=NUMBER"),
        ([], "which column is to be predicted?"),
    ],
)
def test_a_target_that_cannot_be_meant_is_refused(lemonade, tmp_path, words, says):
    (tmp_path / "houses.csv").write_text("area,price\n" + "".join(f"{n % 9},{n * 1.5}\n" for n in range(60)))
    done = lemonade("run", "--data", "houses.csv", *words)
    assert (done.code, done.out) == (2, "")
    assert says in done.err
    assert "Traceback" not in done.err
    assert not (tmp_path / "runs").exists()
