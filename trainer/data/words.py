"""Texts to tokens: cleaned as the paper says, cut into words, numbered by a vocabulary of the training split."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from lemonade_es.errors import DataError
from lemonade_es.trainer.data.marks import MARKS
from lemonade_es.trainer.data.traits import TextTraits

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

PADDING, UNKNOWN = 0, 1
"""The tokens that stand for no word, and for any word that is not in the vocabulary."""

MOST_TOKENS = 20_000
"""In a vocabulary, the two above counted."""

LEAST_OCCURRENCES = 2
"""Of a word in the training texts, for a place in the vocabulary."""

LONGEST = 256
"""Tokens of a text, if the user names no length."""

_SHORTEST = 8
_COVERED_PERCENT = 95

# Scripts without spaces give a word for each character: Chinese and Japanese; and Thai, Lao, Burmese and Khmer, whose
# marks stay with their letters.
_KANJI = r"\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff"
_UNSPACED = (
    r"\u0e01-\u0e30\u0e32\u0e33\u0e40-\u0e46\u0e81-\u0eb0\u0eb2\u0eb3\u0ebd\u0ec0-\u0ec6\u0edc-\u0edf\u1000-\u102a\u103f"
    r"\u1050-\u1055\u105a-\u105d\u1061\u1065\u1066\u106e-\u1070\u1075-\u1081\u108e\u1780-\u17b3\u17d7\u17dc"
)
_LETTER = rf"[^\W_{_KANJI}{_UNSPACED}]"

# What is removed (tags such as HTML breaks, URLs, mentions, hashtags) comes first, so that no word is found in it.
# What is neither is a special character. A mark is part of the word whose letter it follows.
WORD_PATTERN = (
    rf"</?[a-z][^<>]*>|https?://\S+|www\.\S+|[@#]\w+(?:[{MARKS}]+\w*)*"
    rf"|({_LETTER}+(?:[{MARKS}]+{_LETTER}*)*(?:['\u2019][^\W_]+(?:[{MARKS}]+[^\W_]*)*)?|[{_KANJI}]|[{_UNSPACED}][{MARKS}]*)"
)
"""What cuts a text in small letters and in NFC; group 1 is a word, and what has no group 1 is removed."""

NORMAL_FORM: Literal["NFC"] = "NFC"
"""Of Unicode, to which texts in small letters are brought: an accent is part of its letter, however it was typed."""

_TOKEN = re.compile(WORD_PATTERN)


def words(text: str) -> Iterator[str]:
    """The words of a text in lower case, without URLs, tags, mentions, hashtags and special characters."""
    cleaned = html.unescape(text) if "&" in text else text
    for match in _TOKEN.finditer(unicodedata.normalize(NORMAL_FORM, cleaned.lower())):
        if match[1]:
            yield match[1].replace("\u2019", "'")


def cleaned(text: str) -> str:
    """What is left of a text: its words, each after a space but the first."""
    return " ".join(words(text))


@dataclass(frozen=True, slots=True, eq=False)
class Tokens:
    """Texts as numbers, and how they became so.

    Attributes:
        values: int32 ``(N, L)``; short texts end in padding, long ones are cut at their end.
        traits: the vocabulary and the lengths.
    """

    values: NDArray[np.int32]
    traits: TextTraits


def tokenised(learned: Iterable[str], texts: Sequence[str], length: int | None, *, where: str) -> Tokens:
    """Number texts by a vocabulary that is learned from others (or the same).

    Words that occur twice in them have a token, the most frequent ones first, 20,000 tokens at most.

    Args:
        learned: the training texts, cleaned.
        texts: the texts to number, cleaned.
        length: tokens of a text; ``None`` is what 95 % of the training texts need, 256 at most.
        where: the data set.

    Raises:
        DataError: no word occurs twice.
    """
    import numpy as np

    numbers: dict[str, int] = {}
    training = [_numbered(text, numbers) for text in learned]
    known = len(numbers)
    counts = np.bincount(np.concatenate(training), minlength=known)
    spelled = list(numbers)
    ranked = sorted(np.flatnonzero(counts >= LEAST_OCCURRENCES).tolist(), key=lambda n: (-counts[n], spelled[n]))
    ranked = ranked[: MOST_TOKENS - 2]
    if not ranked:
        raise DataError(
            f"no word occurs twice in the {len(training)} training texts", where=where, hint="give more texts"
        )
    wanted = [_numbered(text, numbers) for text in texts]
    token_of = np.full(len(numbers), UNKNOWN, dtype=np.int32)
    token_of[ranked] = np.arange(2, len(ranked) + 2)
    lengths = np.array([len(text) for text in training])
    if length is None:
        needed = int(np.percentile(lengths, _COVERED_PERCENT))
        length = min(max(-(-needed // 8) * 8, _SHORTEST), LONGEST)
    values = np.full((len(wanted), length), PADDING, dtype=np.int32)
    unknown = total = 0
    for row, text in zip(values, wanted, strict=True):
        tokens = token_of[text]
        total += len(tokens)
        unknown += int((tokens == UNKNOWN).sum())
        row[: len(tokens)] = tokens[:length]
    low, tenth, median, ninetieth, high = (int(value) for value in np.percentile(lengths, (0, 10, 50, 90, 100)))
    traits = TextTraits(
        vocabulary=("", "?", *(spelled[number] for number in ranked)),
        length=length,
        lengths=(low, tenth, median, ninetieth, high),
        cut=float((lengths > length).mean()),
        unknown=unknown / total,
    )
    return Tokens(values, traits)


def _numbered(text: str, numbers: dict[str, int]) -> NDArray[np.int32]:
    """The number of each word of a cleaned text, which takes less room; new words are numbered as they come."""
    import numpy as np

    return np.array([numbers.setdefault(word, len(numbers)) for word in text.split()], dtype=np.int32)
