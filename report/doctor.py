"""What this machine offers: Python, torch, devices, energy counters, isolation, SDKs, keys by name, the store."""

from __future__ import annotations

import importlib.util
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from rich.table import Table

from lemonade_es.engine.folder import RunFolder
from lemonade_es.errors import StoreError
from lemonade_es.llm import registry
from lemonade_es.llm.address import is_url
from lemonade_es.rules.load import shipped
from lemonade_es.trainer.energy import best_meter
from lemonade_es.trainer.isolation.appetite import WATCH_SECONDS
from lemonade_es.trainer.isolation.housing import gpu_devices
from lemonade_es.trainer.isolation.level import AUTOMATIC
from lemonade_es.trainer.isolation.shelter import Proven, survey
from lemonade_es.wording import counted

_PACKAGES = ("lemonade-es", "experta", "torch", "torchvision", "numpy", "scikit-learn")
_GPU_WEAKNESSES = (
    "a candidate on the GPU may send the driver any command, so a hole in the driver is a hole in the wall",
    f"the kernel does not limit its memory, it is looked at every {1000 * WATCH_SECONDS:.0f} ms; the GPU's not at all",
)
_ASK_TORCH = (
    "import json, torch; n = torch.cuda.device_count() if torch.cuda.is_available() else 0; "
    "print(json.dumps([torch.cuda.get_device_name(i) for i in range(n)]))"
)


def diagnose(out: Path, store: str | None, environment: Mapping[str, str]) -> dict[str, Any]:
    """The findings as JSON data.

    Args:
        out: the folder of the runs.
        store: URL of the journal, if it is not in that folder.
        environment: looked through for the names of keys, whose values are not read, and for URLs of servers.
    """
    devices, problem = _cuda_devices()
    meter = best_meter("cuda" if devices else "cpu")
    return {
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "cpu_cores": os.cpu_count(),
        "cuda_devices": devices,
        "cuda_problem": problem,
        "isolation": _isolation(survey()),
        "energy": meter.describe(),
        "executors": [known.spec for known in registry.known_executors()],
        "sdks": {name: _version(name) if _importable(module) else None for name, module in registry.SDKS.items()},
        "keys_set": [name for name in registry.key_variables() if environment.get(name)],
        "servers": dict(registry.servers_in(environment)),
        "rulebooks": list(shipped()),
        "store": _store(out, store),
    }


def diagnosis_table(found: Mapping[str, Any]) -> Table:
    """The findings for the terminal."""
    table = Table(box=None, pad_edge=False, show_header=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    packages = ", ".join(f"{name} {number or 'missing'}" for name, number in found["packages"].items())
    table.add_row("Python", f"{found['python']} on {found['platform']}")
    table.add_row("packages", packages)
    table.add_row("devices", ", ".join(found["cuda_devices"]) or f"CPU with {found['cpu_cores']} cores")
    if found["cuda_problem"]:
        table.add_row("CUDA", found["cuda_problem"])
    table.add_row("isolation", f"{found['isolation']['level']} is what --isolation auto takes here")
    for level in found["isolation"]["levels"]:
        table.add_row("", f"{level['level']}: {'' if level['available'] else 'not to be had: '}{level['reason']}")
        if level["canaries"]:
            table.add_row("", f"  {_verdicts(level['canaries'])}")
    for weakness in found["isolation"]["weaker"]:
        table.add_row("", f"weaker here: {weakness}")
    table.add_row("energy", found["energy"])
    sdks = (f"{name} {number}" if number else f"{name} not installed" for name, number in found["sdks"].items())
    table.add_row("LLM SDKs", ", ".join(sdks))
    table.add_row("keys set", ", ".join(found["keys_set"]) or "none")
    for variable, url in found["servers"].items():
        told = "prompts and key go there" if is_url(url) else "no base URL, and refused"
        table.add_row("LLM server", f"{url}, by {variable}: {told}")
    table.add_row("executors", ", ".join(found["executors"]))
    table.add_row("rulebooks", ", ".join(found["rulebooks"]))
    store = found["store"]
    table.add_row("store", f"{store['where']}: {store['problem'] or counted(store['runs'], 'run')}")
    return table


def _isolation(levels: Sequence[Proven]) -> dict[str, Any]:
    """Every level, and the one that ``auto`` takes."""
    kept = next(
        proven.level
        for proven in (*(proven for proven in levels if proven.level.name in AUTOMATIC), levels[-1])
        if proven.level.available
    )
    return {
        "level": kept.name,
        "reason": kept.reason,
        "weaker": list(_GPU_WEAKNESSES if gpu_devices() else ()),
        "levels": [
            {
                "level": proven.level.name,
                "available": proven.level.available,
                "reason": proven.level.reason,
                "canaries": [asdict(canary) for canary in proven.canaries],
            }
            for proven in levels
        ],
    }


def _verdicts(canaries: Sequence[Mapping[str, Any]]) -> str:
    escaped = [f"{canary['name']} GOT THROUGH ({canary['said']})" for canary in canaries if not canary["held"]]
    held = ", ".join(canary["name"] for canary in canaries if canary["held"])
    return ", ".join([*escaped, f"canaries held back: {held or 'none'}"])


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def _importable(module: str) -> bool:
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _cuda_devices() -> tuple[list[str], str | None]:
    """The names of the CUDA devices, asked for in a process of its own: CUDA must not be set up in this one."""
    try:
        asked = subprocess.run(
            [sys.executable, "-P", "-c", _ASK_TORCH], capture_output=True, text=True, timeout=120, check=True
        )
    except subprocess.TimeoutExpired:
        return [], "torch did not answer within 120 s"
    except subprocess.CalledProcessError as error:
        return [], f"torch cannot be imported: {(error.stderr.strip() or 'it died without a word').splitlines()[-1]}"
    devices: list[str] = json.loads(asked.stdout)
    return devices, None


def _store(out: Path, store: str | None) -> dict[str, Any]:
    where = "the database given" if store else str(out)
    if not store and not out.exists():
        return {"where": where, "runs": 0, "problem": None}
    try:
        with closing(RunFolder(out, store).journal(create=False)) as journal:
            return {"where": where, "runs": len(journal.runs()), "problem": None}
    except StoreError as error:
        return {"where": where, "runs": 0, "problem": error.message}
