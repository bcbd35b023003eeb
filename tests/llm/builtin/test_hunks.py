"""Hunks turn the old text into the new one exactly, whichever way they are matched."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from lemonade_es.llm.builtin.hunks import hunks

LINES = st.lists(st.sampled_from(("a\n", "b\n", "ab\n", "\n", "    \n", "    a\n", "c\n")), min_size=1, max_size=14)
TEXTS = LINES.map("".join).filter(str.strip)


@given(TEXTS, LINES.map("".join))
@settings(max_examples=400, deadline=None)
def test_applied_one_after_another_they_give_the_new_text(old, new):
    current = old
    for edit in hunks(old, new):
        assert edit.search.strip()
        assert current.count(edit.search) == 1
        current = current.replace(edit.search, edit.replace)
    assert current == new


@given(TEXTS, LINES.map("".join))
@settings(max_examples=400, deadline=None)
def test_matched_against_the_old_text_they_stand_in_order_and_apart(old, new):
    end, pieces = 0, []
    for edit in hunks(old, new):
        assert old.count(edit.search) == 1
        at = old.index(edit.search)
        assert at >= end
        pieces += [old[end:at], edit.replace]
        end = at + len(edit.search)
    assert "".join([*pieces, old[end:]]) == new


def test_a_line_that_occurs_twice_brings_its_neighbours_along():
    old = "start\nsame\nmiddle\nsame\nend\n"
    edits = hunks(old, "start\nsame\nmiddle\nother\nend\n")
    assert len(edits) == 1
    assert edits[0].search in ("middle\nsame\nend\n",)


def test_equal_texts_need_no_hunk():
    assert hunks("a\n", "a\n") == ()
