"""`--repeats`, `--prune` and `--zero-cost` as a user has them: in processes of their own, one of them killed."""

from __future__ import annotations

import math

import pytest

from lemonade_es.engine.folder import RunFolder
from lemonade_es.engine.history.events import Measured
from tests.cli.conftest import read_until

WORDS = ("--iterations", 2, "--epochs", 2, "--limit", 300, "--repeats", 3, "--prune", "--zero-cost")


@pytest.mark.slow
@pytest.mark.isolation
def test_a_run_killed_between_two_seeds_ends_as_an_unbroken_one_and_tells_the_noise(lemonade):
    process = lemonade.start("run", *WORDS)
    read_until(process, "trained again with another seed (2)")
    process.kill()
    process.communicate(timeout=60)
    resumed = lemonade("run", "--resume", "latest", "--json")
    assert resumed.code == 0, resumed.err
    unbroken = lemonade("run", *WORDS, "--json")
    for result in (resumed.json, unbroken.json):
        assert result["noise"]["degrees"] == 4
        assert result["noise"]["networks"] == [1, 2]
        assert result["best"]["trainings"] == 3
        assert result["pruned"] == 0
        assert all(math.isfinite(result["best"]["metrics"][name]) for name in ("synflow", "jacob_cov", "grad_norm"))
    assert resumed.json["noise"] == unbroken.json["noise"]
    assert resumed.json["best"]["CM"] == unbroken.json["best"]["CM"]
    assert resumed.json["best"]["spread"]["V_Acc"] == unbroken.json["best"]["spread"]["V_Acc"]
    shown = lemonade("runs", "show", "latest")
    assert "noise floor: CM differs by" in shown.out
    assert "±" in shown.out
    told = lemonade("explain", "latest", "--iteration", 1)
    assert "Trained 3 times, again with the seeds" in told.out


@pytest.mark.slow
@pytest.mark.isolation
def test_an_export_records_the_accuracy_of_its_own_weights_and_no_mean(lemonade):
    done = lemonade("run", "--iterations", 1, "--epochs", 3, "--limit", 300, "--repeats", 3, "--json")
    assert done.code == 0, done.err
    exported = lemonade("export", "latest", "--format", "source", "--json")
    assert exported.code == 0, exported.err
    entries = RunFolder(lemonade.folder / "runs").entries("latest")
    measured = next(entry.event for entry in entries if isinstance(entry.event, Measured))
    recorded = exported.json["check"]["recorded_accuracy"]
    assert recorded == measured.measurement.metrics["V_Acc"]
    assert recorded != done.json["best"]["metrics"]["V_Acc"]


def test_options_that_cannot_be_are_refused_in_one_line(lemonade):
    done = lemonade("run", "--repeats", 0)
    assert done.code == 2
    assert "--repeats: 0 is too few" in done.err
