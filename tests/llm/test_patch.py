from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemonade_es.errors import ReplyError
from lemonade_es.llm.codes import Code
from lemonade_es.llm.patch import Edit, Patch, apply_patch
from lemonade_es.llm.request import ReplyLimits

SOURCE = "import torch\n\nwidth = 8\ndepth = 2\n"


def whole(source: str) -> Patch:
    return Patch("s", source, None)


def edits(*pairs: tuple[str, str]) -> Patch:
    return Patch("s", None, tuple(Edit(*pair) for pair in pairs))


def refusal_of(patch: Patch, source: str | None, limits: ReplyLimits | None = None) -> ReplyError:
    with pytest.raises(ReplyError) as refusal:
        apply_patch(patch, source, limits)
    return refusal.value


def test_a_whole_file_replaces_the_source() -> None:
    assert apply_patch(whole("x = 1"), SOURCE) == "x = 1\n"


def test_a_first_network_needs_no_source() -> None:
    assert apply_patch(whole("x = 1\r\ny = 2\r\n\r\n"), None) == "x = 1\ny = 2\n"


def test_edits_are_applied_in_order_each_to_the_result_of_the_one_before() -> None:
    patch = edits(("width = 8", "width = 16"), ("width = 16\ndepth", "width = 32\ndepth"))

    assert apply_patch(patch, SOURCE) == "import torch\n\nwidth = 32\ndepth = 2\n"


def test_windows_line_endings_do_not_keep_an_edit_from_matching() -> None:
    patch = edits(("width = 8\r\ndepth", "width = 9\r\ndepth"))

    assert apply_patch(patch, SOURCE.replace("\n", "\r\n")) == SOURCE.replace("8", "9")


def test_an_edit_that_does_not_match_names_itself_and_its_first_line() -> None:
    error = refusal_of(edits(("width = 8", "width = 9"), ("\n  heads = 4\nx", "")), SOURCE)

    assert error.code == Code.EDIT_NOT_FOUND
    assert error.where == "edit 2 of 2"
    assert "'heads = 4'" in error.message
    assert "0 times" in error.message


@pytest.mark.parametrize(
    ("last", "why"),
    [
        ("width = 8", "an edit before it has changed that text"),
        ("depth = 2  ", "it stands there with other blanks"),
        ("torch\nwidth", "it stands there with other blanks"),
        ("heads = 4", "copy the text exactly"),
        ("  ", "copy the text exactly"),
    ],
)
def test_an_edit_that_does_not_match_says_why(last: str, why: str) -> None:
    assert (refusal_of(edits(("width = 8", "width = 9"), (last, "")), SOURCE).hint or "").startswith(why)


def test_an_edit_that_matches_twice_is_refused_with_the_number_of_matches() -> None:
    error = refusal_of(edits((" = ", " == ")), SOURCE)

    assert error.code == Code.EDIT_AMBIGUOUS
    assert "2 times" in error.message


def test_overlapping_matches_count_as_two() -> None:
    assert refusal_of(edits(("aa", "b")), "x = 'aaa'").code == Code.EDIT_AMBIGUOUS


def test_edits_without_a_source_are_refused() -> None:
    assert refusal_of(edits(("a", "b")), None).code == Code.NO_SOURCE


@pytest.mark.parametrize("patch", [whole(SOURCE.replace("\n", "\r\n")), edits(("width", "w"), ("w = 8", "width = 8"))])
def test_a_patch_that_changes_nothing_is_refused(patch: Patch) -> None:
    assert refusal_of(patch, SOURCE).code == Code.UNCHANGED


def test_a_patch_that_leaves_nothing_is_refused() -> None:
    assert refusal_of(edits((SOURCE, "")), SOURCE).code == Code.EMPTY_SOURCE


def test_a_patched_source_beyond_the_limit_is_refused_with_both_sizes() -> None:
    error = refusal_of(edits(("8", "8" * 50)), SOURCE, ReplyLimits(max_source_bytes=60))

    assert error.code == Code.TOO_LARGE
    assert "more than 60" in error.message


@given(source=st.text(alphabet="ab\n ", min_size=1), search=st.text(alphabet="ab\n ", min_size=1))
def test_an_edit_is_applied_exactly_when_its_text_occurs_once(source: str, search: str) -> None:
    normal = source.rstrip("\n") + "\n"
    starts = [at for at in range(len(normal)) if normal.startswith(search, at)]

    if len(starts) == 1:
        assert apply_patch(edits((search, "<new>")), source).count("<new>") == 1
    else:
        wanted = Code.EDIT_AMBIGUOUS if starts else Code.EDIT_NOT_FOUND
        assert refusal_of(edits((search, "<new>")), source).code == wanted
