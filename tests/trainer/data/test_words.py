"""Cleaning and tokenising: what the paper removes is gone, and the vocabulary is the training split's."""

from __future__ import annotations

import re
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemonade_es.errors import DataError
from lemonade_es.trainer.data.marks import MARKS
from lemonade_es.trainer.data.words import LONGEST, MOST_TOKENS, PADDING, UNKNOWN, cleaned, tokenised, words


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("A plain Sentence.", ["a", "plain", "sentence"]),
        ("line<br /><br />break", ["line", "break"]),
        ("see https://example.org/a?b=c and www.example.org!", ["see", "and"]),
        ("thanks @someone for #thisfilm", ["thanks", "for"]),
        ("it's 10/10 -- don\u2019t *miss* it", ["it's", "10", "10", "don't", "miss", "it"]),
        ("Tom &amp; Jerry &quot;again&quot;", ["tom", "jerry", "again"]),
        ("&lt;b&gt;bold&lt;/b&gt;", ["bold"]),
        ("1 < 2 and 3 > 2", ["1", "2", "and", "3", "2"]),
        ("Größe naïve Ελλάδα", ["größe", "naïve", "ελλάδα"]),
        ("電影good", ["電", "影", "good"]),
        ("snake_case", ["snake", "case"]),
        ("मुझे फिल्म पसंद नहीं #हिन्दी", ["मुझे", "फिल्म", "पसंद", "नहीं"]),
        ("தமிழ் படம்", ["தமிழ்", "படம்"]),
        ("هٰذَا كِتَابٌ", ["هٰذَا", "كِتَابٌ"]),
        ("l'e\u0301te\u0301 DE\u0301JA\u0300", ["l'été", "déjà"]),
        ("\u0130stanbul", ["i\u0307stanbul"]),
        ("ฉันไม่", ["ฉั", "น", "ไ", "ม่"]),
        ("1\ufe0f\u20e3 \u2764\ufe0f good", ["1", "good"]),
        ("!!! <br/> http://x.y @z #w", []),
        ("", []),
    ],
)
def test_urls_tags_mentions_hashtags_and_special_characters_are_removed(text, found):
    assert list(words(text)) == found
    assert cleaned(text) == " ".join(found)


def test_marks_are_the_marks_of_unicode():
    mark = re.compile(f"[{MARKS}]")
    listed = {chr(code) for code in range(0x10000) if mark.match(chr(code))}
    known = {chr(code) for code in range(0x10000) if unicodedata.category(chr(code)) in ("Mn", "Mc")}
    left_out = {chr(code) for code in (0x34F, *range(0x180B, 0x1810), 0x3099, 0x309A, *range(0xFE00, 0xFE10))}
    unknown = {letter for letter in listed if unicodedata.category(letter) == "Cn"}  # to an older Python
    assert listed - unknown <= known - left_out
    if unicodedata.unidata_version == "14.0.0":
        assert listed == known - left_out


def test_however_an_accent_is_typed_the_word_is_the_same():
    assert list(words("cafe\u0301")) == list(words("caf\u00e9"))


@given(st.text(max_size=200))
def test_of_any_text_only_lower_case_words_are_left(text):
    for word in words(text):
        assert word
        assert not set(word) & set(' \t\n<>@#_.,!?/\\"')
        assert word == word.lower()


def test_the_vocabulary_is_of_the_training_texts_most_frequent_words_first():
    learned = ["good good film", "good plot", "bad film", "once"]
    found = tokenised(learned, ["good unseen film bad", "plot"], 6, where="x")
    assert found.traits.vocabulary == ("", "?", "good", "film")
    assert found.values.dtype == np.int32
    assert found.values.tolist() == [
        [2, UNKNOWN, 3, UNKNOWN, PADDING, PADDING],
        [UNKNOWN, PADDING, PADDING, PADDING, PADDING, PADDING],
    ]
    assert found.traits.unknown == pytest.approx(3 / 5)


def test_equally_frequent_words_stand_in_the_order_of_the_alphabet():
    assert tokenised(["b a", "a b"], ["a"], 4, where="x").traits.vocabulary == ("", "?", "a", "b")


def test_long_texts_are_cut_at_their_end_and_counted():
    found = tokenised(["a b c d e f", "a b", "a", "b"], ["a b c d e f"], 4, where="x")
    assert found.values.shape == (1, 4)
    assert found.values[0, :2].tolist() == [2, 3]
    assert found.traits.cut == 0.25
    assert (found.traits.lengths[0], found.traits.lengths[4]) == (1, 6)


def test_the_length_is_what_95_of_100_texts_need_in_steps_of_8_and_256_at_most():
    short = ["w " * 10] * 97 + ["w " * 300] * 3
    assert tokenised(short, ["w"], None, where="x").values.shape == (1, 16)
    assert tokenised(["w w"] * 3, ["w"], None, where="x").values.shape == (1, 8)
    assert tokenised(["w " * 900] * 3, ["w"], None, where="x").values.shape == (1, LONGEST)


def test_a_vocabulary_has_twenty_thousand_tokens_at_most():
    text = " ".join(f"w{number}" for number in range(25_000))
    found = tokenised([text, text], [text], 8, where="x")
    assert len(found.traits.vocabulary) == MOST_TOKENS
    assert found.values.max() < MOST_TOKENS


def test_without_a_word_that_occurs_twice_there_is_nothing_to_learn():
    with pytest.raises(DataError, match="no word occurs twice in the 2 training texts"):
        tokenised(["a", "b"], ["a"], None, where="x")
