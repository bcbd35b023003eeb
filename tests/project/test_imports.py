"""What importing the packages does: nothing but define names, and nothing heavy on the parent's side."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("anthropic", "experta", "google", "openai", "pyJoules", "pynvml", "sklearn", "torch", "torchvision")

# Modules of the isolated child, which the parent names but never imports.
CHILD_SIDE = {
    "lemonade_es.trainer.watching.activity",
    "lemonade_es.trainer.learning.augmentation",
    "lemonade_es.trainer.network.blame",
    "lemonade_es.trainer.network.buffers",
    "lemonade_es.trainer.network.candidate",
    "lemonade_es.trainer.network.census",
    "lemonade_es.trainer.checking.check",
    "lemonade_es.trainer.network.choice",
    "lemonade_es.trainer.export.graph",
    "lemonade_es.trainer.export.quantisation",
    "lemonade_es.trainer.export.runtime",
    "lemonade_es.trainer.export.stand",
    "lemonade_es.trainer.watching.gradients",
    "lemonade_es.trainer.network.imports",
    "lemonade_es.trainer.isolation.bench",
    "lemonade_es.trainer.isolation.zygote",
    "lemonade_es.trainer.checking.kernels",
    "lemonade_es.trainer.network.layout",
    "lemonade_es.trainer.learning.loss",
    "lemonade_es.trainer.checking.output",
    "lemonade_es.trainer.learning.precision",
    "lemonade_es.trainer.learning.recording",
    "lemonade_es.trainer.network.refusal",
    "lemonade_es.trainer.learning.standing",
    "lemonade_es.trainer.learning.steps",
    "lemonade_es.trainer.measuring.stimulus",
    "lemonade_es.trainer.network.trace",
    "lemonade_es.trainer.learning.training",
    "lemonade_es.trainer.watching.watch",
    "lemonade_es.trainer.network.work",
    "lemonade_es.trainer.watching.zero_cost",
}

# Imports each module where HEAVY cannot be found, and notes who asked for it and what else the import did.
PROBE = """
import importlib, json, logging, os, sys, threading

modules, heavy = json.load(sys.stdin)
asked = set()

class Finder:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name.partition(".")[0] in heavy:
            asked.add(name.partition(".")[0])
            raise ModuleNotFoundError(name, name=name)

def state():
    loggers = [logging.root, *logging.root.manager.loggerDict.values()]
    handlers = [handler for logger in loggers for handler in getattr(logger, "handlers", [])]
    return {
        "logging handlers": sum(type(handler) is not logging.NullHandler for handler in handlers),
        "logging level": logging.root.level,
        "os.environ": dict(os.environ),
        "working folder": os.getcwd(),
        "threads": threading.active_count(),
    }

sys.meta_path.insert(0, Finder)
wants, changes, before = {}, {}, state()
for module in modules:
    asked.clear()
    try:
        importlib.import_module(module)
    except ModuleNotFoundError:
        if not asked:
            raise
    if asked:
        wants[module] = sorted(asked)
    after = state()
    changed = [name for name in before if before[name] != after[name]]
    if changed:
        changes[module] = changed
    before = after
json.dump({"wants": wants, "changes": changes}, sys.stdout)
"""


def _probe(modules: list[str], cwd: Path | None = None) -> dict[str, dict[str, list[str]]]:
    """Probe in a fresh process, which also finds modules in its working folder."""
    done = subprocess.run(
        [sys.executable, "-c", PROBE],
        cwd=cwd,
        input=json.dumps([modules, HEAVY]),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def probed(repository) -> dict[str, dict[str, list[str]]]:
    return _probe(repository.modules())


def test_only_the_isolated_childs_modules_load_anything_heavy(probed):
    assert {name: heavy for name, heavy in probed["wants"].items() if name not in CHILD_SIDE} == {}


def test_importing_changes_no_environment_logging_threads_or_folder(probed):
    assert probed["changes"] == {}


def test_the_probe_sees_a_module_that_does_more_than_define_names(tmp_path):
    (tmp_path / "quiet.py").write_text("x = 1\n")
    (tmp_path / "careless.py").write_text(
        "import logging, os\nos.environ['CARELESS'] = '1'\nlogging.basicConfig()\n"
        "try:\n    import torch\nexcept ImportError:\n    pass\n"
    )
    assert _probe(["quiet", "careless"], tmp_path) == {
        "wants": {"careless": ["torch"]},
        "changes": {"careless": ["logging handlers", "os.environ"]},
    }


def test_every_module_imports(repository):
    code = "import importlib, sys\nfor name in sys.argv[1:]: importlib.import_module(name)"
    done = subprocess.run(
        [sys.executable, "-c", code, *repository.modules()],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
