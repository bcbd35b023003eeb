"""The exported example reads sheets as training does, whatever is in them: the one has its own copy of the reader."""

from __future__ import annotations

import csv
import io
import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from lemonade_es.errors import DataError
from lemonade_es.trainer.data.delimited import read_sheet
from lemonade_es.trainer.export.example import infer_file

CELLS = ["", " ", "3", "3,5", "1.234,5", "-", "Paris", 'a"b', '"', "x\ny", "x\r\ny", " é ", "sep=;", "\u00a0", "a;b"]
CELLS += ["a|b", "a\tb", "\ufeff", "x\x0by", "x\u2028y", "x\x85y"]
OF_TRAINING_ALONE = ("there is a header and no row", "the first line has numbers", "columns have the same name")
"""An example answers for each row that there is, and looks at the names of columns later."""


@pytest.fixture(scope="module")
def sheet():
    """``sheet`` of ``infer.py``, without the rest of the program."""
    text = infer_file("torchscript", "table", "regression", None).decode()
    names = {"csv": csv, "io": io, "re": re, "np": np, "Path": Path}
    exec(text[text.index("def number(") : text.index("\n\ntry:\n    for name")], names)
    return names["sheet"]


@st.composite
def contents(draw):
    delimiter, width = draw(st.sampled_from(",;\t|")), draw(st.integers(1, 3))
    header = draw(st.permutations(["area", "town", "", "x y", 'q"']))[:width]
    cells = st.lists(st.sampled_from(CELLS), min_size=width, max_size=width)
    written = io.StringIO()
    writer = csv.writer(
        written,
        delimiter=delimiter,
        quoting=draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        lineterminator=draw(st.sampled_from(["\n", "\r\n", "\r"])),
    )
    table = [header, *draw(st.lists(cells, max_size=4))]
    writer.writerows(table)
    text = written.getvalue()
    if draw(st.integers(0, 3)) == 0:  # without quoting, as many files of tabs are
        text = "".join(delimiter.join(row) + "\n" for row in table)
    if draw(st.booleans()):
        text = text.replace(delimiter, f"{delimiter} ")
    above = ["", f"sep={delimiter}\n", f'"sep={delimiter}"\r\n', "\n", f"{delimiter}{delimiter}\n", " \n"]
    below = ["", "\n", f"{delimiter}\n", delimiter * (width - 1) + "\n", " ", '"', "a"]
    text = draw(st.sampled_from(above)) + text + draw(st.sampled_from(below))
    encoding = draw(st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252", "utf-16-le"]))
    mark = draw(st.sampled_from([b"", b"", b"\xef\xbb\xbf"]))  # a file may begin with it, and not be UTF-8
    return mark + text.encode(encoding, "replace") + draw(st.sampled_from([b"", b"", b"\xe9\n"]))


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(contents(), st.sampled_from(["rows.csv", "rows.tsv"]))
def test_a_sheet_has_the_header_rows_and_delimiter_that_training_finds(sheet, tmp_path, content, name):
    path = tmp_path / name
    path.write_bytes(content)
    try:
        known = read_sheet(path)
    except DataError as error:
        event("refused")
        if not str(error.message).startswith(OF_TRAINING_ALONE):
            with pytest.raises(ValueError, match=re.escape(str(path))):
                sheet(str(path))
        return
    event("read")
    header, rows, delimiter = sheet(str(path))
    assert (tuple(header), delimiter) == (known.header, known.delimiter)
    assert [row for row in rows if any(row)] == [list(row) for row in known.rows]  # training keeps no empty ones
