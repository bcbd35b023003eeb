"""Where Python's packages lie, told to a process that knows neither the user's home folder nor the environment."""

from __future__ import annotations

import site
import sys
import sysconfig
from pathlib import Path

NAMES = ("site-packages", "dist-packages")
"""What installers call the folders that hold packages."""

_LANDMARKS = ("numpy", "pydantic", "safetensors", "torch")
"""A folder of another name (``pip install --target``) is one that holds packages if it holds one of these."""


def added_folders() -> list[Path]:
    """Folders of packages that Python would not search by itself, in the order in which this process does.

    They come from ``pip install --user``, ``PYTHONPATH`` and ``.pth`` files. Folders that hold no packages, the
    current one above all, are none of them.
    """
    own = {*map(Path, site.getsitepackages()), *_installed()}
    entries = [path for path in dict.fromkeys(map(Path, sys.path)) if path.is_absolute() and path not in own]
    return [path for path in entries if path.name in NAMES or any((path / name).is_dir() for name in _LANDMARKS)]


def folders() -> set[Path]:
    """All folders of packages that this process searches."""
    return _installed() | {path for path in map(Path, sys.path) if path.name in NAMES} | set(added_folders())


def _installed() -> set[Path]:
    return {Path(sysconfig.get_path(kind)) for kind in ("purelib", "platlib")}
