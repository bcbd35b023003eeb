"""What the tests of the repository itself share: where it is and what is in it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

ROOTS = ("commands", "engine", "llm", "report", "rulebooks", "rules", "trainer")


@dataclass(frozen=True)
class Repository:
    root: Path

    def links(self) -> dict[str, str]:
        """The symlinks in src/lemonade_es, and what they say."""
        source = self.root / "src" / "lemonade_es"
        return {path.name: str(path.readlink()) for path in source.iterdir() if path.is_symlink()}

    def files(self) -> list[Path]:
        """Every file of the packages where it really lies, relative to the repository."""
        source = self.root / "src" / "lemonade_es"
        own = [path for path in source.iterdir() if path.is_file() and not path.is_symlink()]
        packages = [path for name in ROOTS for path in (self.root / name).rglob("*") if path.is_file()]
        command = [path for path in (self.root / "cli.py",) if path.exists()]
        found = [path.relative_to(self.root) for path in (*own, *packages, *command)]
        return sorted(path for path in found if "__pycache__" not in path.parts)

    def python_files(self) -> list[Path]:
        return [path for path in self.files() if path.suffix == ".py"]

    def modules(self) -> list[str]:
        """The dotted names under which the files are imported; a ``__main__`` is run, not imported."""
        names = []
        for path in self.python_files():
            if path.name == "__main__.py":
                continue
            parts = list(path.relative_to("src/lemonade_es").parts if path.parts[0] == "src" else path.parts)
            parts[-1] = parts[-1].removesuffix(".py")
            names.append(".".join(["lemonade_es", *(part for part in parts if part != "__init__")]))
        return names


@pytest.fixture(scope="session")
def repository() -> Repository:
    return Repository(Path(__file__).resolve().parents[2])
