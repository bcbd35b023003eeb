"""What is searched for: data, recipe and budgets, the same for every contender."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lemonade_es.trainer.data.dataset import Dataset
from lemonade_es.trainer.data.spec import load, load_test
from lemonade_es.trainer.recipe import Recipe, search_recipe, with_overrides


@dataclass(frozen=True)
class QualityTask:
    """One task of the comparison.

    Attributes:
        name: of the task.
        data: what ``--data`` takes.
        epochs: of every training.
        max_macs: multiply-accumulates that no network may exceed.
        limit: of the images that are used, if not all.
    """

    name: str
    data: str
    epochs: int
    max_macs: int
    limit: int | None = None

    def options(self, seed: int) -> list[str]:
        """The options of ``lemonade-es run`` that say the same."""
        limit = [] if self.limit is None else ["--limit", str(self.limit)]
        return [
            *("--data", self.data, "--epochs", str(self.epochs), "--max-macs", str(self.max_macs)),
            *("--seed", str(seed), "--device", "cpu", *limit),
        ]

    def recipe(self) -> Recipe:
        """How every network is trained."""
        return with_overrides(search_recipe("image"), {"epochs": self.epochs})

    def dataset(self, seed: int) -> Dataset:
        """Training and validation images."""
        return load(self.data, limit=self.limit, seed=seed)

    def held_out(self, seed: int, dataset: Dataset) -> tuple[object, object]:
        """Test images and labels, which no contender sees."""
        return load_test(self.data, dataset.task, limit=self.limit, seed=seed)


def tasks(photos: Path | None, *, quick: bool) -> dict[str, QualityTask]:
    """Digits, and photographs if there are any.

    Args:
        photos: an ImageFolder tree of CIFAR-10.
        quick: tasks of seconds that show that all still works, and nothing else.
    """
    found = [QualityTask("digits", "digits", epochs=1 if quick else 10, max_macs=4_000_000)]
    if photos is not None:
        epochs, limit = (1, 400) if quick else (6, 2000)
        found.append(QualityTask("photographs", str(photos.resolve()), epochs, 4_000_000, limit))
    return {task.name: task for task in found}
