"""Where Python's packages lie, told to a process that knows neither the user's home folder nor the environment."""

from __future__ import annotations

import site
import sys
import sysconfig
from pathlib import Path

NAMES = ("site-packages", "dist-packages")
"""What installers call the folders that hold packages, and nothing else."""


def folders() -> list[Path]:
    """The folders of packages that this process searches, in its order."""
    installed = [Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")]
    searched = [path for path in map(Path, sys.path) if path.is_absolute() and path.name in NAMES]
    return list(dict.fromkeys([*searched, *installed]))


def added_folders() -> list[Path]:
    """Those that Python would not search by itself: of ``pip install --user``, ``PYTHONPATH`` and ``.pth`` files."""
    own = {*map(Path, site.getsitepackages()), *(Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib"))}
    return [path for path in folders() if path not in own]


def search_path(package: Path) -> list[Path]:
    """What to put before the path of a Python that knows the standard library and its own packages alone.

    Args:
        package: the folder that this package lies in.
    """
    return [*(folders() if added_folders() else ()), package]
