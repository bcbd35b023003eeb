"""The patch: what an executor wants changed, and the change of the source that it makes."""

from __future__ import annotations

from dataclasses import dataclass

from lemonade_es.errors import ReplyError
from lemonade_es.llm.codes import Code
from lemonade_es.llm.request import ReplyLimits


@dataclass(frozen=True, slots=True)
class Edit:
    """One search/replace hunk; ``search`` must occur exactly once in the source."""

    search: str
    replace: str


@dataclass(frozen=True, slots=True)
class Applied:
    """An instruction that the executor says it carried out, and how."""

    instruction: str
    how: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """An instruction that the executor says it did not carry out, and why."""

    instruction: str
    why: str


@dataclass(frozen=True, slots=True)
class Predicted:
    """What the executor expects of the patched network; stored and compared, never used for a decision."""

    T_Acc: float | None = None
    V_Acc: float | None = None
    F: float | None = None
    P: float | None = None


@dataclass(frozen=True, slots=True)
class Patch:
    """A change of the model source: the whole file, or edits of it; exactly one of the two."""

    summary: str
    model_py: str | None
    edits: tuple[Edit, ...] | None
    applied: tuple[Applied, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    predicted: Predicted | None = None


def apply_patch(patch: Patch, source: str | None, limits: ReplyLimits | None = None) -> str:
    r"""The patched source, with ``\n`` line endings and one at its end.

    Edits are applied in order, each to the result of the one before it.

    Args:
        patch: what :func:`lemonade_es.llm.reply.read_patch` read.
        source: the source that the request held; ``None`` if it asked for a first network.
        limits: the request's.

    Raises:
        ReplyError: ``NO_SOURCE``, ``EDIT_NOT_FOUND``, ``EDIT_AMBIGUOUS``, ``EMPTY_SOURCE``, ``TOO_LARGE`` or
            ``UNCHANGED``.
    """
    old = None if source is None else _normalised(source)
    if patch.model_py is not None:
        new = _normalised(patch.model_py)
    elif old is None:
        raise ReplyError(Code.NO_SOURCE, "there is no current source to edit", hint="give the whole file")
    else:
        new = _normalised(_edited(old, patch.edits or ()))
    if not new.strip():
        raise ReplyError(Code.EMPTY_SOURCE, "the patched source is blank", hint="give a network")
    size = len(new.encode())
    most = (limits or ReplyLimits()).max_source_bytes
    if size > most:
        raise ReplyError(
            Code.TOO_LARGE, f"the patched source has {size} bytes, more than {most}", hint="write it shorter"
        )
    if new == old:
        raise ReplyError(
            Code.UNCHANGED, "the patch leaves the source as it is", hint="carry out the heaviest instruction"
        )
    return new


def _normalised(source: str) -> str:
    lines = source.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
    return lines.rstrip("\n") + "\n"


def _edited(source: str, edits: tuple[Edit, ...]) -> str:
    given = source
    for number, edit in enumerate(edits, start=1):
        search = edit.search.replace("\r\n", "\n").replace("\r", "\n")
        matches = _matches(source, search)
        if matches != 1:
            first = next((line.strip() for line in search.split("\n") if line.strip()), "")[:80]
            raise ReplyError(
                Code.EDIT_AMBIGUOUS if matches else Code.EDIT_NOT_FOUND,
                f"the search text that begins with {first!r} occurs {matches} times, not once",
                where=f"edit {number} of {len(edits)}",
                hint="search for more lines" if matches else _why_absent(search, given),
            )
        replace = edit.replace.replace("\r\n", "\n").replace("\r", "\n")
        source = source.replace(search, replace, 1)
    return source


def _why_absent(search: str, given: str) -> str:
    """What to do about a search text that does not occur, at least not after the edits of ``given`` before it."""
    words = " ".join(search.split())
    if words and search in given:
        return "an edit before it has changed that text: search for its new form, or make one edit of both"
    if words and words in " ".join(given.split()):
        return "it stands there with other blanks or line breaks: copy it exactly, with its indentation"
    return "copy the text exactly, with its indentation"


def _matches(source: str, search: str) -> int:
    """How often ``search`` occurs, overlapping occurrences included; 0 for an empty one."""
    count, at = 0, source.find(search) if search else -1
    while at >= 0:
        count += 1
        at = source.find(search, at + 1)
    return count
