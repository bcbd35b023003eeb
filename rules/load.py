"""Finding and loading rulebook files; every problem of a file comes at once, with its place."""

from __future__ import annotations

import hashlib
from importlib import resources
from pathlib import Path

from lemonade_es.errors import RulebookError
from lemonade_es.rules.content import read_content
from lemonade_es.rules.document import Table, plain, read_document
from lemonade_es.rules.problem import Place, Problem
from lemonade_es.rules.rulebook import Rulebook, Source
from lemonade_es.rules.schema import structural_problems
from lemonade_es.vocabulary import closest

SUFFIXES = (".yaml", ".yml")
MAX_BYTES = 1_000_000


def shipped() -> list[str]:
    """The names of the rulebooks that come with the package."""
    return sorted(path.stem for path in _shipped_folder().iterdir() if path.suffix in SUFFIXES)


def find_rulebook(name_or_path: str) -> Path:
    """The file of a shipped rulebook (``lemonade``) or the file that a path names.

    Raises:
        RulebookError: there is no such rulebook or file.
    """
    path = Path(name_or_path)
    if path.suffix in SUFFIXES or len(path.parts) > 1 or path.is_file():
        if path.exists():
            return path
        raise RulebookError(f"there is no file {name_or_path!r}; shipped rulebooks: {', '.join(shipped())}")
    names = shipped()
    if name_or_path in names:
        return _shipped_folder() / f"{name_or_path}.yaml"
    near = closest(name_or_path, names)
    hint = f"did you mean {near}? " if near else ""
    raise RulebookError(
        f"no rulebook is called {name_or_path!r}; {hint}Shipped are {', '.join(names)}; a file needs its suffix .yaml"
    )


def load_rulebook(path: Path) -> Rulebook:
    """Load and check a rulebook file.

    Raises:
        RulebookError: the file cannot be read, or has problems: all of them in ``problems``.
    """
    if path.is_dir():
        raise RulebookError("this is a folder; name a rulebook file in it", where=str(path))
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise RulebookError(f"cannot read the rulebook: {said}", where=str(path)) from error
    if len(data) > MAX_BYTES:
        raise RulebookError(f"larger than {MAX_BYTES} bytes: this is no rulebook", where=str(path))
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        said = f"byte 0x{data[error.start]:02x} is not UTF-8 text; save the file as UTF-8"
        raise _refusal([Problem(Place(str(path), line, column), "NOT_TEXT", said)], str(path)) from error
    return parse_rulebook(text, path.name if path.parent == _shipped_folder() else str(path))


def parse_rulebook(text: str, file: str) -> Rulebook:
    """Read a rulebook from its text.

    Args:
        text: YAML 1.2.
        file: the name that places are given with.

    Raises:
        RulebookError: with all problems, in the order of the file.
    """
    problems: list[Problem] = []
    root = read_document(text, file, problems)
    if root is None:
        if not problems:
            problems.append(Problem(Place(file, 1, 1), "EMPTY_FILE", "the rulebook is empty"))
        raise _refusal(problems, file)
    problems.extend(structural_problems(root))
    if not isinstance(root, Table):
        raise _refusal(problems, file)
    content = read_content(root, problems)
    if problems:
        raise _refusal(problems, file)
    head = {key: plain(node) for key, node in root.values.items() if key in ("rulebook", "version", "combine")}
    return Rulebook(
        name=head["rulebook"],
        version=head["version"],
        combine=head.get("combine", "sum"),
        instructions=content.instructions,
        rules=content.rules,
        tests=content.tests,
        digest=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest(),
        sources=(Source(file, text),),
    )


def _refusal(problems: list[Problem], file: str) -> RulebookError:
    ordered = sorted(set(problems), key=lambda problem: (problem.place.line, problem.place.column, str(problem)))
    count = "1 problem" if len(ordered) == 1 else f"{len(ordered)} problems"
    return RulebookError(f"the rulebook has {count}", tuple(map(str, ordered)), where=file)


def _shipped_folder() -> Path:
    return Path(str(resources.files("lemonade_es.rulebooks")))
