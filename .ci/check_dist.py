"""Check that the sdist and the wheel in a folder hold every file of the packages, as a real file.

The packages lie in the root folders and are symlinked below src/lemonade_es; a packager that does not follow
the links, or a data file that pyproject.toml does not declare, would go unnoticed until a user misses it.

Usage: check_dist.py DIST, from the repository's root.
"""

import sys
import tarfile
import zipfile
from pathlib import Path

SOURCE = Path("src/lemonade_es")


def expected() -> set[str]:
    """All files of the packages, relative to the folder that holds ``lemonade_es``."""
    roots = [path for path in SOURCE.iterdir() if path.is_dir() and path.name != "__pycache__"]
    below = [path for root in roots for path in root.resolve().rglob("*") if "__pycache__" not in path.parts]
    repository = Path.cwd().resolve()
    files = {f"lemonade_es/{path.relative_to(repository)}" for path in below if path.is_file()}
    return files | {f"lemonade_es/{path.name}" for path in SOURCE.iterdir() if path.is_file()}


def in_sdist(archive: Path) -> set[str]:
    """The regular files of the packages in an sdist."""
    with tarfile.open(archive) as tar:
        names = [member.name.split("/", 2) for member in tar.getmembers() if member.isreg()]
    return {parts[2] for parts in names if len(parts) == 3 and parts[1] == "src" and "egg-info" not in parts[2]}


def in_wheel(archive: Path) -> set[str]:
    """The files of the packages in a wheel."""
    with zipfile.ZipFile(archive) as wheel:
        return {name for name in wheel.namelist() if name.startswith("lemonade_es/") and not name.endswith("/")}


def main(dist: str) -> int:
    """Print what is missing or too much, archive by archive; return the exit status."""
    wanted = expected()
    archives = {path: in_sdist(path) for path in Path(dist).glob("*.tar.gz")}
    archives |= {path: in_wheel(path) for path in Path(dist).glob("*.whl")}
    if len(archives) != 2:
        print(f"{dist}: one sdist and one wheel are wanted, here are {len(archives)} archives", file=sys.stderr)
        return 1
    problems = [
        f"{archive.name}: {verdict} {name}"
        for archive, found in archives.items()
        for verdict, names in (("lacks", wanted - found), ("has, unlike the repository,", found - wanted))
        for name in sorted(names)
    ]
    print(*problems, sep="\n", end="\n" if problems else "", file=sys.stderr)
    print(
        *(f"{archive.name}: {len(found)} files of the packages" for archive, found in archives.items()),
        sep="\n",
    )
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
