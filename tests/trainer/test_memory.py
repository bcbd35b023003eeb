"""The memory of a machine, and of a container on it."""

from __future__ import annotations

from types import SimpleNamespace

import psutil
import pytest

from lemonade_es.trainer import memory
from lemonade_es.trainer.limits import Limits


@pytest.fixture
def container(tmp_path, monkeypatch):
    """Writes the files of a container's memory; the machine has 64,000 bytes, of which 32,000 are free."""
    monkeypatch.setattr(memory, "_CGROUP", tmp_path)
    monkeypatch.setattr(psutil, "virtual_memory", lambda: SimpleNamespace(total=64_000, available=32_000))

    def write(**files):
        for name, text in files.items():
            (tmp_path / f"memory.{name}").write_text(text)

    return write


def test_the_machine_has_free_memory():
    assert 0 < memory.free_bytes() < memory.total_bytes()


@pytest.mark.parametrize(
    ("files", "total", "free"),
    [
        ({}, 64_000, 32_000),
        ({"max": "max\n", "current": "9000\n"}, 64_000, 32_000),
        ({"max": "10000\n"}, 10_000, 32_000),
        ({"max": "10000\n", "current": "9000\n"}, 10_000, 1_000),
        ({"max": "10000\n", "current": "10500\n"}, 10_000, 0),
        ({"max": "90000\n", "current": "9000\n"}, 64_000, 32_000),
    ],
)
def test_a_containers_limit_holds_where_it_is_less_than_the_machines(container, files, total, free):
    container(**files)
    assert (memory.total_bytes(), memory.free_bytes()) == (total, free)
    assert Limits().memory_bytes == total // 2


def test_files_that_were_read_take_nothing_of_a_containers_free_memory(container):
    stat = "anon 2000\nfile 7000\nshmem 1000\ninactive_anon 3000\nactive_file 2500\ninactive_file 3500\n"
    container(max="10000\n", current="9000\n", stat=stat)
    assert memory.free_bytes() == 10_000 - 3_000
