"""The versions that a result may depend on; the journal records them."""

from __future__ import annotations

import platform
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from lemonade_es.llm import registry

_PACKAGES = ("lemonade-es", "torch", "torchvision", "experta", "numpy", "pillow", "scikit-learn", *registry.SDKS)


def versions() -> dict[str, str]:
    """Of Python, the system and the packages that a result may depend on."""
    found = {"python": platform.python_version(), "platform": platform.platform()}
    for name in _PACKAGES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found
