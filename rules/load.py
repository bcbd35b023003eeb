"""Finding and loading rulebook files; every problem of a file comes at once, with its place."""

from __future__ import annotations

import codecs
import dataclasses
import hashlib
import os
import stat
from collections.abc import Callable, Sequence
from contextlib import suppress
from importlib import resources
from pathlib import Path

from lemonade_es.errors import RulebookError
from lemonade_es.rules.composition import compose
from lemonade_es.rules.content import read_content
from lemonade_es.rules.document import Scalar, Table, place_of, plain, read_document
from lemonade_es.rules.problem import Place, Problem
from lemonade_es.rules.rulebook import Rulebook, Source
from lemonade_es.rules.schema import structural_problems
from lemonade_es.vocabulary import closest

SUFFIXES = (".yaml", ".yml")
MAX_BYTES = 1_000_000
MAX_MESSAGE = 600
"""A message can quote a name of any length."""
MAX_QUOTED = 200
MAX_CHAIN = 8
"""A rulebook may extend one that extends another, so deep."""

_DOCUMENTS = {
    b"PK\x03\x04": "a document of a word processor or of a spreadsheet",
    b"\xd0\xcf\x11\xe0": "a document of a word processor or of a spreadsheet",
    b"%PDF": "a PDF",
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
}
"""With what bytes files begin that are written in the place of a text."""

_HEAD = ("rulebook", "version", "about", "combine", "max_instructions")
_UNREAD = ("BAD_NUMBER", "BAD_CHARACTER", "YAML_TAG", "BAD_KEY")
"""What is said of a value that could not be read; what else is wrong with it follows from that."""
_UNKNOWN = ("UNKNOWN_INSTRUCTION", "UNKNOWN_RULE")
"""What is said of a name that stands for nothing; that no such name could be given to anything follows from that."""


def shipped() -> list[str]:
    """The names of the rulebooks that come with the package."""
    return sorted(path.stem for path in _shipped_folder().iterdir() if path.suffix in SUFFIXES)


def find_rulebook(name_or_path: str, beside: Path = Path()) -> Path:
    """The file of a shipped rulebook (``lemonade``) or the file that a path names.

    Args:
        name_or_path: as it was given.
        beside: the folder in which a file is proposed whose suffix was forgotten.

    Raises:
        RulebookError: there is no such rulebook or file, or it is not to be seen.
    """
    path = Path(name_or_path)
    names = shipped()
    if name_or_path in names:  # whatever else is called so; a file of that name is reached with its suffix, or by ./
        return _shipped_folder() / f"{name_or_path}.yaml"
    mode = _mode(path)
    if path.suffix in SUFFIXES or len(path.parts) > 1 or (mode is not None and stat.S_ISREG(mode)):
        if mode is not None:
            return path
        raise RulebookError(f"there is no file {name_or_path!r}; shipped rulebooks: {', '.join(names)}")
    if mode is not None and stat.S_ISDIR(mode):
        raise RulebookError("this is a folder; name a rulebook file in it", where=name_or_path)
    files = (f"{name_or_path}{suffix}" for suffix in SUFFIXES)
    near = next((file for file in files if _is_there(beside / file)), None) or closest(name_or_path, names)
    hint = f"; did you mean {near}?" if near else ""
    raise RulebookError(
        f"no rulebook is called {name_or_path!r}{hint} (shipped are {', '.join(names)}; a file needs its suffix .yaml)"
    )


def load_rulebook(path: Path) -> Rulebook:
    """Load and check a rulebook file, and those that it extends.

    Raises:
        RulebookError: a file cannot be read, or has problems: all of them in ``problems``.
    """
    return _read(_source(path), _base_of)


def parse_rulebook(text: str, file: str, bases: Sequence[Source] | None = None) -> Rulebook:
    """Read a rulebook from its text.

    Args:
        text: YAML 1.2.
        file: the name that places are given with.
        bases: what it extends, the nearest first; by default they are looked up beside ``file``.

    Raises:
        RulebookError: with all problems, in the order of the file.
    """
    if bases is None:
        return _read(Source(file, text), _base_of)
    following = iter(bases)
    return _read(Source(file, text), lambda _name, _file: next(following))


def _read(own: Source, base_of: Callable[[str, str], Source]) -> Rulebook:
    problems: list[Problem] = []
    sources: list[Source] = []
    documents: list[Table] = []
    source: Source | None = own
    while source is not None:
        sources.append(source)
        document = _document(source, problems)
        if document is None:
            raise _refusal(problems, sources)
        documents.append(document)
        source = _next(document, sources, base_of, problems)
    if documents[-1].get("extends") is not None:  # what it names is not there
        raise _refusal(problems, sources)
    composition = compose(documents, problems)
    content = read_content(composition, problems)
    if problems:
        raise _refusal(problems, sources)
    head = {key: plain(node) for key, node in composition.root.values.items() if key in _HEAD}
    return Rulebook(
        name=head["rulebook"],
        version=head["version"],
        about=head.get("about", ""),
        combine=head.get("combine", "sum"),
        instructions=content.instructions,
        rules=content.rules,
        tests=content.tests,
        defaults=content.defaults,
        ranges=content.ranges,
        max_instructions=head.get("max_instructions"),
        sources=tuple(sources),
        digest=_digest(sources),
    )


def _document(source: Source, problems: list[Problem]) -> Table | None:
    """The document of one file, checked by itself; ``None`` if nothing can be made of it."""
    root = read_document(source.text, source.file, problems)
    if root is None:
        if not problems:
            problems.append(Problem(Place(source.file, 1, 1), "EMPTY_FILE", "the rulebook is empty"))
        return None
    problems.extend(structural_problems(root))
    return root if isinstance(root, Table) else None


def _next(
    document: Table, sources: Sequence[Source], base_of: Callable[[str, str], Source], problems: list[Problem]
) -> Source | None:
    """The file that the last of these extends, if it does."""
    extends = document.get("extends")
    if not isinstance(extends, Scalar) or not isinstance(extends.value, str):
        return None
    try:
        base = base_of(extends.text, sources[-1].file)
    except RulebookError as error:
        problems.append(
            Problem(extends.place, "NO_BASE", f"cannot extend {_short(extends.text)!r}: {_short(str(error))}")
        )
        return None
    chain = " extends ".join([*(source.file for source in sources), base.file])
    if len(sources) >= MAX_CHAIN:
        said = f"a rulebook may rest on {MAX_CHAIN - 1} others at most, one on the other: {chain}"
        problems.append(Problem(extends.place, "EXTENDS_LOOP", said))
        return None
    if base in sources:
        problems.append(Problem(extends.place, "EXTENDS_LOOP", f"a rulebook may not extend itself: {chain}"))
        return None
    if any(base.file == source.file for source in sources):  # a namesake of a shipped rulebook may extend it
        return Source(f"shipped/{base.file}", base.text)
    return base


def _short(text: str) -> str:
    """The end of a long text, where the reason stands."""
    return text if len(text) <= MAX_QUOTED else f"…{text[-MAX_QUOTED:]}"


def _base_of(name: str, file: str) -> Source:
    """The source of a rulebook that the one in ``file`` extends: a shipped one, or a file beside it."""
    path = Path(name)
    if path.suffix in SUFFIXES or len(path.parts) > 1:
        path = find_rulebook(str(_tidied(Path(file).parent / path)))
        if not path.is_file() and not path.is_dir():  # a terminal or a pipe would be waited for
            raise RulebookError("this is no file", where=str(path))
        return _source(path)
    return _source(find_rulebook(name, Path(file).parent))


def _tidied(path: Path) -> Path:
    """A path without detours, if it still leads to the same file."""
    short = Path(os.path.normpath(path))  # another file, if a folder on the way is a link
    try:
        return short if short.resolve() == path.resolve() else path
    except (OSError, RuntimeError, ValueError):  # links in a circle, or a name that no file can have
        return path


def _mode(path: Path) -> int | None:
    """What kind of file a path names; ``None`` if there is none."""
    try:
        return path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:  # not allowed to look, too long a name, ...
        raise RulebookError(f"cannot read the rulebook: {error.strerror}", where=str(path)) from error


def _is_there(path: Path) -> bool:
    with suppress(RulebookError):
        return _mode(path) is not None
    return False


def _source(path: Path) -> Source:
    mode = _mode(path)
    if mode is not None and stat.S_ISDIR(mode):
        raise RulebookError("this is a folder; name a rulebook file in it", where=str(path))
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise RulebookError(f"cannot read the rulebook: {said}", where=str(path)) from error
    if len(data) > MAX_BYTES:
        raise RulebookError(f"larger than {MAX_BYTES} bytes: this is no rulebook", where=str(path))
    name = path.name if path.parent == _shipped_folder() else str(path)
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return Source(name, data.decode("utf-8"))
    except UnicodeDecodeError as error:
        place = place_of(data[: error.start].decode("utf-8"), name, error.start)
        said = f"byte 0x{data[error.start]:02x} is not UTF-8 text; save the file as UTF-8"
        kind = next((kind for begin, kind in _DOCUMENTS.items() if data.startswith(begin)), None)
        if kind is not None:
            place, said = Place(name, 1, 1), f"this is {kind}; save it as plain text in UTF-8"
        raise _refusal([Problem(place, "NOT_TEXT", said)], [Source(name, "")]) from error


def _digest(sources: Sequence[Source]) -> str:
    """SHA-256 over the texts; no text holds a NUL, so that it separates them."""
    return hashlib.sha256("\0".join(source.text for source in sources).encode("utf-8", "surrogatepass")).hexdigest()


def _refusal(problems: list[Problem], sources: Sequence[Source]) -> RulebookError:
    position = {source.file: index for index, source in enumerate(sources)}

    def order(problem: Problem) -> tuple[int, int, int, str]:
        place = problem.place
        return position.get(place.file, 0), place.line, place.column, str(problem)

    unread = {problem.place for problem in problems if problem.code in _UNREAD}
    unknown = {problem.place for problem in problems if problem.code in _UNKNOWN}
    told = (problem for problem in problems if problem.code in _UNREAD or problem.place not in unread)
    told = (problem for problem in told if problem.code != "BAD_NAME" or problem.place not in unknown)
    ordered = sorted({_presentable(problem) for problem in told}, key=order)
    count = "1 problem" if len(ordered) == 1 else f"{len(ordered)} problems"
    return RulebookError(f"the rulebook has {count}", tuple(ordered), where=sources[0].file)


def _presentable(problem: Problem) -> Problem:
    """The problem with a message of one line, whatever it quotes: no control characters, no end."""
    message = problem.message
    if len(message) <= MAX_MESSAGE and message.isprintable():
        return problem
    signs = (sign if sign.isprintable() else repr(sign)[1:-1] for sign in message[: MAX_MESSAGE + 1])
    message = "".join(signs)
    if len(message) > MAX_MESSAGE:
        message = f"{message[: MAX_MESSAGE - 1]}…"
    return dataclasses.replace(problem, message=message)


def _shipped_folder() -> Path:
    return Path(str(resources.files("lemonade_es.rulebooks")))
