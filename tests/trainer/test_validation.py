"""Validating files: which, in what order, and that nothing goes on when nobody listens any more."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import psutil
import pytest

from lemonade_es.errors import ConfigError
from lemonade_es.trainer.measurement import Budget
from lemonade_es.trainer.recipe import Recipe
from lemonade_es.trainer.validation import _nearly_no_data, default_jobs, found, input_task, validate
from lemonade_es.trainer.workshop import Workshop

IMAGE = input_task((3, 8, 8), 4)
ENDLESS = "while True: pass\n"


def written(folder: Path, **sources: str) -> list[Path]:
    files = [folder / f"{name}.py" for name in sources]
    for file, source in zip(files, sources.values(), strict=True):
        file.write_text(source)
    return files


def commands(processes: Iterable[psutil.Process]) -> Iterator[str]:
    for process in processes:
        with contextlib.suppress(psutil.NoSuchProcess):  # a zombie has none
            yield " ".join(process.cmdline())


@pytest.fixture
def zygotes() -> Callable[[], int]:
    """How many of this process's zygotes were started by the test; those of other tests' workshops may be there."""
    before = set(psutil.Process().children())

    def count() -> int:
        started = set(psutil.Process().children()) - before
        return sum("isolation.zygote" in command for command in commands(started))

    return count


@pytest.mark.parametrize(("cores", "jobs"), [(1, 1), (3, 3), (64, 4)])
def test_files_are_checked_on_the_cores_that_this_process_may_use(
    cores: int, jobs: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(cores)))
    assert default_jobs() == jobs


@pytest.mark.isolation
def test_verdicts_come_in_the_order_of_the_files_whoever_is_done_first(
    zygotes: Callable[[], int], tmp_path: Path, good: str
) -> None:
    slow = "import time\ntime.sleep(1)\n" + good
    files = written(tmp_path, a=slow, b=good, c=good.replace("(8, 4)", "(9, 4)"), d=good)
    verdicts = list(validate(files, IMAGE, jobs=2))
    assert [verdict.file for verdict in verdicts] == list(map(str, files))
    assert [verdict.code for verdict in verdicts] == [None, None, "SHAPE_MISMATCH", None]
    assert (verdicts[1].params, verdicts[1].macs) == (3 * 8 * 9 + 8 + 8 * 4 + 4, 3 * 8 * 9 * 64 + 8 * 4)
    assert verdicts[2].line == 12
    assert verdicts[2].macs is None
    assert zygotes() == 0


@pytest.mark.isolation
def test_a_file_that_cannot_be_read_gets_its_reason_and_takes_no_other_with_it(tmp_path: Path, good: str) -> None:
    (file,) = written(tmp_path, good="\ufeff" + good)
    (tmp_path / "latin.py").write_bytes("# gut\n# größer\n".encode("latin-1") + good.encode())
    (tmp_path / "marked.py").write_bytes(b"\xef\xbb\xbf# gut\n\xf6\n" + good.encode())
    (tmp_path / "empty").mkdir()
    os.mkfifo(tmp_path / "pipe.py")
    names = ["nosuch.py", "latin.py", "marked.py", "empty", "pipe.py", "good.py"]
    verdicts = list(validate([tmp_path / name for name in names], IMAGE, jobs=1))
    codes = ["NO_SUCH_FILE", "NOT_UTF8", "NOT_UTF8", "NO_FILES", "UNREADABLE", None]
    assert [verdict.code for verdict in verdicts] == codes
    assert [verdict.stage for verdict in verdicts] == ["read"] * 5 + ["done"]
    assert all("Line 2" in (verdict.message or "") for verdict in verdicts[1:3])
    assert verdicts[5].file == str(file)


@pytest.mark.isolation
def test_a_file_that_is_too_large_is_said_to_be_wherever_reading_it_ends(tmp_path: Path) -> None:
    letters = [tmp_path / "even.py", tmp_path / "odd.py"]
    for file, start in zip(letters, ("##", "#"), strict=True):
        file.write_text(start + "\u00e9" * 5_000_001 + "\n", encoding="utf-8")
    verdicts = list(validate(letters, IMAGE, jobs=1))
    assert [verdict.code for verdict in verdicts] == ["SOURCE_TOO_LARGE", "SOURCE_TOO_LARGE"]


@pytest.mark.isolation
def test_budgets_are_kept_and_an_endless_file_ends(tmp_path: Path, good: str) -> None:
    files = written(tmp_path, endless=ENDLESS, good=good)
    verdicts = list(validate(files, IMAGE, Budget(parameters=10), jobs=1, seconds=2))
    assert [verdict.code for verdict in verdicts] == ["TIMED_OUT", "OVER_BUDGET_PARAMS"]
    assert verdicts[1].params == 260


@pytest.mark.isolation
def test_an_iterator_that_is_closed_early_ends_what_is_under_way_at_once(
    zygotes: Callable[[], int], tmp_path: Path, good: str
) -> None:
    threads = threading.active_count()
    verdicts = validate(written(tmp_path, a=good, b=ENDLESS, c=ENDLESS), IMAGE, jobs=2, seconds=1000)
    assert next(verdicts).ok
    assert zygotes()
    verdicts.close()
    assert zygotes() == 0
    assert threading.active_count() == threads


@pytest.mark.isolation
def test_a_workshop_of_somebody_else_goes_on_when_the_iterator_is_closed(tmp_path: Path, good: str) -> None:
    verdicts = validate(written(tmp_path, a=good, b=ENDLESS), IMAGE, jobs=1, seconds=1000)
    assert next(verdicts).ok
    mine = set(psutil.Process().children())
    with Workshop(_nearly_no_data(IMAGE), Recipe(), device="cpu") as other:
        assert other.check(good).ok
        (process,) = set(psutil.Process().children()) - mine
        verdicts.close()
        assert process.status() != psutil.STATUS_ZOMBIE
        assert other.check(good).ok
        assert process.is_running()


@pytest.mark.isolation
def test_token_sequences_and_rows_of_tables_are_inputs_too(tmp_path: Path) -> None:
    head = "import torch.nn as nn\n"
    files = written(
        tmp_path,
        text=head + "model = nn.Sequential(nn.Embedding(50, 4), nn.Flatten(), nn.Linear(24, 2))\n",
        table=head + "model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 2))\n",
    )
    texts = list(validate(files, input_task((6,), 2, 50), jobs=1))
    assert [verdict.code for verdict in texts] == [None, "WRONG_DTYPE"]
    tables = list(validate(files, input_task((6,), 2), jobs=1))
    assert [verdict.code for verdict in tables] == ["WRONG_DTYPE", None]


@pytest.mark.isolation
def test_images_may_have_as_many_channels_as_rows_and_columns(tmp_path: Path) -> None:
    source = "from torch import nn\nmodel = nn.Sequential(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(65_536, 2))\n"
    (verdict,) = validate(written(tmp_path, wide=source), input_task((65_536, 2, 2), 2), jobs=1)
    assert (verdict.code, verdict.params) == (None, 131_074)


def test_an_output_that_is_wrong_in_training_alone_is_said_to_be(tmp_path: Path) -> None:
    source = (
        "from torch import nn\n\n\nclass Net(nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        "        self.l = nn.Linear(6, 2)\n\n    def forward(self, x):\n"
        "        return (self.l(x), x) if self.training else self.l(x)\n"
    )
    (verdict,) = validate(written(tmp_path, aux=source), input_task((6,), 2), jobs=1)
    assert verdict.code == "WRONG_OUTPUT"
    assert "in training mode" in str(verdict.message)


def test_a_network_that_predicts_a_number_from_features_is_validated(tmp_path: Path) -> None:
    head = "import torch.nn as nn\n"
    body = "        super().__init__()\n        self.l = nn.Linear(n_inputs, out_features)\n"
    files = written(
        tmp_path,
        a=head + "model = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 1))\n",
        b=head + f"class Net(nn.Module):\n    def __init__(self, n_inputs, out_features):\n{body}"
        "    def forward(self, x):\n        return self.l(x)\n",
        c=head + "model = nn.Linear(6, 2)\n",
    )
    verdicts = validate(files, input_task((6,), 1), jobs=1)
    assert [verdict.code for verdict in verdicts] == [None, None, "WRONG_OUTPUT"]


def test_folders_stand_for_their_python_files_at_any_depth(tmp_path: Path) -> None:
    for name in ("b.py", "a.py", "notes.txt", "deep/c.py", ".hidden/d.py"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    (tmp_path / "loop").symlink_to(tmp_path)
    other = tmp_path / "notes.txt"
    names = [path.relative_to(tmp_path).as_posix() for path in found([other, tmp_path])]
    assert names == ["notes.txt", "a.py", "b.py", "deep/c.py"]


def test_a_folder_without_python_files_stays_for_its_verdict(tmp_path: Path) -> None:
    assert found([tmp_path, tmp_path / "nosuch"]) == [tmp_path, tmp_path / "nosuch"]


@pytest.mark.parametrize(
    ("shape", "classes", "vocabulary", "where"),
    [
        ((3, 8), 4, None, "--input-shape"),
        ((3, 0, 8), 4, None, "--input-shape"),
        ((3, 8, 10**6), 4, None, "--input-shape"),
        ((3, 8, 8), 1, None, "--classes"),
        ((3, 8, 8), 4, 100, "--vocabulary"),
        ((40,), 2, 1, "--vocabulary"),
    ],
)
def test_a_task_that_cannot_be_is_refused_with_the_option_to_blame(
    shape: tuple[int, ...], classes: int, vocabulary: int | None, where: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        input_task(shape, classes, vocabulary)
    assert caught.value.where == where
    assert caught.value.hint
