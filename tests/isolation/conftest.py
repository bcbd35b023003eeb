"""Workshops at each level, one of each for all attacks, and the account of what held."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from arena import Naive, WorkshopAt
from attack import LIMIT_BYTES, PATIENCE
from scene import Scene

from lemonade_es.errors import IsolationError
from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.limits import Limits
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.trainer.workshop import Workshop
from tests.trainer.conftest import brightness

_SUMMARY = "LEMONADE_REDTEAM_JSON"


@pytest.fixture(scope="session")
def toy() -> Dataset:
    return brightness()


@pytest.fixture(scope="session")
def in_environment() -> Iterator[str]:
    """A secret in this process's environment, put there before any workshop is opened."""
    secret = secrets.token_hex(16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENAI_API_KEY", secret)
        yield secret


@pytest.fixture(scope="session")
def workshop_at(toy: Dataset, in_environment: str) -> Iterator[WorkshopAt]:
    """Gives the workshop of a level; it is opened when it is first asked for."""
    opened: dict[str, Workshop] = {}
    recipe = Recipe(epochs=4, batch_size=32, lr=0.1, rotation=0, crop=False)

    def at(level: str) -> Workshop:
        if level not in opened:
            loose = level == "none"
            limits = Limits(
                check_seconds=60 if loose else PATIENCE,
                train_seconds=60 if loose else 12,
                stall_seconds=30 if loose else PATIENCE,
                memory_mb=LIMIT_BYTES * (8 if loose else 1) // 10**6,
            )
            try:
                opened[level] = Workshop(
                    toy, recipe, device="cpu", limits=limits, isolation=level, unsafe_no_isolation=loose
                )
            except IsolationError as error:
                pytest.skip(str(error))
            opened[level].start()
        return opened[level]

    yield at
    for workshop in opened.values():
        workshop.close()


@pytest.fixture(scope="session")
def naive(toy: Dataset, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Naive]:
    script = Naive(toy, tmp_path_factory.mktemp("naive"))
    yield script
    script.close()


@pytest.fixture
def scene(tmp_path: Path, in_environment: str) -> Iterator[Scene]:
    places = {"PROJECT": str(Path(__file__).resolve().parents[2])}
    with Scene(tmp_path, places, in_environment) as laid_out:
        yield laid_out
    shutil.rmtree(tmp_path, ignore_errors=True)


@pytest.fixture(scope="session")
def tally() -> Iterator[dict[str, dict[str, dict[str, list[str]]]]]:
    """By group and level: the attacks that were tried, that were held, that reached their goal, and the known ones."""
    counted: dict[str, dict[str, dict[str, list[str]]]] = {}
    yield counted
    if file := os.environ.get(_SUMMARY):
        Path(file).write_text(json.dumps(counted, indent=1, sort_keys=True) + "\n")
