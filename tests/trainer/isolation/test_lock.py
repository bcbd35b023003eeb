"""A locked process still finds the packages that it may import."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

pytestmark = pytest.mark.isolation

LOCKED = """
import os, sys
sys.path.insert(0, sys.argv[1])
import early
from lemonade_es.trainer.isolation.lock import Policy, lock
policy = Policy(confine=True, memory_bytes=None, cpu_seconds=60, packages=("late",))
lock(policy, parent=os.getppid(), rules=None)
print("locked", flush=True)
sys.stdin.readline()
import late
for name in ("other.py", "folder/secret.txt"):
    try:
        open(os.path.join(sys.argv[1], name))
    except PermissionError:
        print(name, "is shut")
"""


def test_something_installed_meanwhile_hides_no_package_from_a_locked_process(tmp_path: Path) -> None:
    packages = tmp_path / "site-packages"
    (packages / "folder").mkdir(parents=True)
    for name in ("early.py", "late.py", "other.py", "folder/secret.txt"):
        (packages / name).write_text("")
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(LOCKED), str(packages)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        said = process.stdout.readline()
        (packages / "installed_meanwhile.py").write_text("")
        out, err = process.communicate("go on\n", timeout=60)
    assert said == "locked\n", err
    assert err == ""
    assert out == "other.py is shut\nfolder/secret.txt is shut\n"
