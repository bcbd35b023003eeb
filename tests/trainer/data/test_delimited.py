"""CSV, TSV and semicolon files as programs really write them, and one line for each that cannot be read."""

from __future__ import annotations

import csv

import pytest

from lemonade_es.errors import DataError
from lemonade_es.trainer.data import delimited
from lemonade_es.trainer.data.delimited import read_sheet, split_column

WESTERN = (
    "not UTF-8 (byte 0xFC in line 2): read as Western European (Windows-1252); "
    "if it is in another encoding, save it as UTF-8"
)


@pytest.fixture
def written(tmp_path):
    def write(content, name="file.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write


def problem(path):
    with pytest.raises(DataError) as raised:
        read_sheet(path)
    assert str(path) in raised.value.where
    return str(raised.value)


def test_quotes_line_breaks_and_delimiters_inside_of_fields_are_text(written):
    content = 'text,label\r\n"He said ""no"",\nand left.",neg\r\n\r\n  plain  ,"pos"\r\n'
    sheet = read_sheet(written(content))
    assert sheet.header == ("text", "label")
    assert sheet.rows == [['He said "no",\nand left.', "neg"], ["plain", "pos"]]
    assert sheet.lines == [2, 5]
    assert sheet.notes == ()


@pytest.mark.parametrize(
    ("delimiter", "name", "said"), [(";", "a.csv", "semicolons"), ("\t", "a.csv", "tabs"), ("|", "a.csv", "bars")]
)
def test_other_delimiters_are_seen_in_the_header_and_told(written, delimiter, name, said):
    sheet = read_sheet(written(f"a{delimiter}b\n1,500{delimiter}2\n", name))
    assert sheet.rows == [["1,500", "2"]]
    assert sheet.notes == (f"fields are separated by {said}",)
    assert (sheet.delimiter, sheet.commas) == (delimiter, {0, 1} if delimiter == ";" else set())


def test_tabs_in_a_tsv_file_are_no_surprise(written):
    sheet = read_sheet(written("text\tlabel\nyes, it is\t1\n", "reviews.TSV"))
    assert (sheet.rows, sheet.notes) == ([["yes, it is", "1"]], ())


def test_the_tabs_that_the_name_of_a_file_promises_go_before_commas_in_its_header(written):
    assert read_sheet(written("text, in full, or not\tlabel\nyes\t1\n", "a.tsv")).header == (
        "text, in full, or not",
        "label",
    )
    assert read_sheet(written("a,b\n1,2\n", "a.tsv")).header == ("a", "b")


@pytest.mark.parametrize("first", ["sep=;\r\n", '"sep=;"\n', "SEP=;\n"])
def test_a_first_line_of_excels_says_what_separates_the_fields(written, first):
    sheet = read_sheet(written(first + "a,x;b\n1,5;2\n3;4\n"))
    assert (sheet.header, sheet.rows, sheet.lines) == (("a,x", "b"), [["1,5", "2"], ["3", "4"]], [3, 4])
    assert sheet.commas == {0, 1}
    assert "file.csv:2" in problem(written(first + "a;a\n1;2\n"))
    assert "line 4 has 3" in problem(written(first + "a;b\n1;2\n1;2;3\n"))


def test_a_quote_may_stand_behind_a_space(written):
    sheet = read_sheet(written('a, b, "c"\n1, "two, or ""three""", "x\ny"\n2, z, q\n'))
    assert sheet.header == ("a", "b", "c")
    assert sheet.rows == [["1", 'two, or "three"', "x\ny"], ["2", "z", "q"]]
    assert sheet.lines == [2, 4]


def test_a_quote_behind_a_space_may_be_part_of_a_text(written):
    sheet = read_sheet(written('label\ttext\npos\t "Great" is the word\nneg\t "Bad\n', "a.tsv"))
    assert sheet.rows == [["pos", '"Great" is the word'], ["neg", '"Bad']]


@pytest.mark.parametrize("odd", ['"Never', '"Never" again'])
def test_quotes_that_quote_nothing_in_a_file_of_tabs_take_no_lines_along(written, odd):
    lines = ["text\tlabel", "so\t0", f"{odd}\t1", "good\t0", 'it said "yes"\t1', 'so "\t0', "end\t1"]
    sheet = read_sheet(written("\n".join(lines) + "\n", "reviews.tsv"))
    assert [row[1] for row in sheet.rows] == list("010101")
    assert sheet.lines == [2, 3, 4, 5, 6, 7]
    assert sheet.rows[1][0] == odd
    assert sheet.notes == ("quotes are part of the fields: without quoting, every line has as many of them",)


def test_quotes_that_quote_tabs_and_line_breaks_in_a_file_of_tabs_are_quotes(written):
    sheet = read_sheet(written('text\tlabel\n"a\tb\tc\nd"\t1\ne\t0\n', "reviews.tsv"))
    assert (sheet.rows, sheet.notes) == ([["a\tb\tc\nd", "1"], ["e", "0"]], ())


def test_a_delimiter_that_is_quoted_in_the_header_does_not_count(written):
    assert read_sheet(written('"a;b;c",d\n1,2\n')).header == ("a;b;c", "d")


@pytest.mark.parametrize(
    ("encoding", "note"),
    [
        ("utf-8", None),
        ("utf-8-sig", None),
        ("utf-16", None),
        ("cp1252", WESTERN),
    ],
)
def test_encodings_are_recognised(written, encoding, note):
    sheet = read_sheet(written("größe,b\nüber,2\n".replace("größe", "grosse").encode(encoding)))
    assert sheet.header == ("grosse", "b")
    assert sheet.rows == [["über", "2"]]
    assert sheet.notes == (() if note is None else (note,))


def test_a_few_broken_characters_do_not_make_another_encoding_of_utf_8(written):
    content = "text,label\n" + "\u0645\u0645\u062a\u0627\u0632,pos\n" * 3  # Arabic
    sheet = read_sheet(written(content.encode() + b"caf\xe9 \xd8,neg\n"))
    assert sheet.rows == [["\u0645\u0645\u062a\u0627\u0632", "pos"]] * 3 + [["caf\ufffd \ufffd", "neg"]]
    assert sheet.notes == ("2 characters are no UTF-8, and unknown: the first is byte 0xE9 in line 5",)
    chinese = "\u8fd9\u4e2a\u7535\u5f71\u975e\u5e38\u597d\u770b,\u597d\u8bc4\n" * 9
    for encoding in ("gb18030", "shift_jis", "big5"):
        sheet = read_sheet(written(("text,label\n" + chinese).encode(encoding, "ignore")))
        assert "read as Western European" in sheet.notes[0]


def test_a_byte_order_mark_before_western_european_is_no_part_of_the_first_name(written):
    sheet = read_sheet(written(b"\xef\xbb\xbftext,b\n\xfcber,2\n"))
    assert sheet.header == ("text", "b")
    assert sheet.notes == (WESTERN,)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
        ("a,b\n", "there is a header and no row"),
        ("1,2\n3,4\n", "the first line has numbers (1, 2) where the names of the columns should be"),
        (
            "p,p,b\np,e,c\n",
            "columns have the same name: 'p' (rename them; if the line is a row, put a header above it)",
        ),
        (
            "a,b\n1,2\n1,2,3\n\n4\n",
            "2 of 3 rows have another number of fields than the header's 2: line 3 has 3, line 5",
        ),
        ("Report 2024\na,b\n1,2\n3,4\n", "the first line, from 'Report 2024' on, is taken for the header: remove it"),
        ("a,b\n1,2,3\n3,4,5\n", "the first line, from 'a' on, is taken for the header: remove it if it is a title, or"),
        ("a;b\n1;2;\n3;4;\n", "each of them ends in one of the semicolons: take it away, or end the header so, too"),
        ('a,b\n1,2\n"never closed,2\n3,4\n', "the record that begins in line 3 cannot be read: a quote is opened"),
        ('a,b\n"x"y,2\n', "the record that begins in line 2 cannot be read"),
        ("a,b\n1,2\0\n", "NUL characters"),
        ("a,b\n1,2\n".encode("utf-16-le"), "NUL characters"),
        ("a,b\n1,2\n".encode("utf-16")[:-1], "the file begins as UTF-16, and is none: it is damaged, or broken off"),
    ],
)
def test_a_file_that_cannot_be_used_is_one_line_with_its_place(written, content, says):
    assert says in problem(written(content))


def test_a_column_without_a_name_gets_its_number(written):
    assert read_sheet(written("a,,b\n1,2,3\n")).header == ("a", "column 2", "b")


def test_a_field_as_long_as_a_book_is_a_quote_that_was_not_closed(written, monkeypatch):
    monkeypatch.setattr(delimited, "LONGEST_FIELD", 100)
    before = csv.field_size_limit()
    assert "a field of more than 100 characters" in problem(written('a,b\n"' + 200 * "x" + '",1\n'))
    assert csv.field_size_limit() == before


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("5.1,3.5,1.4,setosa\n4.9,3.0,1.4,setosa\n", "'5.1'"),
        ("0,1467810369,hello\n4,1467810370,world\n", "'0'"),
        ("spam,win money\nham,hello\nspam,win more\nspam,win all\nspam,win it\n", "'spam'"),
    ],
)
def test_a_header_that_may_be_a_row_is_told_of(written, content, names):
    sheet = read_sheet(written(content))
    (note,) = sheet.notes
    assert note.startswith("the first line is taken for the header")
    assert names in note
    with pytest.raises(DataError, match=r"no column 'label' for --target .*put a header above it"):
        sheet.index("label", "--target")


@pytest.mark.parametrize("header", ["0,1,2,y", "country,2010,2011,y", "350.5,351.0,351.5,y", "a,b,c,y", "y,a,b,c"])
def test_numbers_that_number_or_date_the_columns_are_a_header(written, header):
    assert read_sheet(written(header + "\n" + "1,2,3,y\n" * 2)).notes == ()


def test_a_message_shows_the_first_columns_and_the_beginning_of_a_long_name(written):
    sheet = read_sheet(written(",".join(f"gene {n}" for n in range(500)) + f",{'long ' * 99}\n" + "1," * 500 + "2\n"))
    with pytest.raises(DataError) as raised:
        sheet.index("zzz", "--target")
    assert raised.value.hint.endswith("'gene 19' and 481 more")
    with pytest.raises(DataError) as raised:
        read_sheet(written(f"{'long ' * 99},b\n1,2\n")).index("zzz", "--target")
    assert raised.value.hint == f"the columns are {('long ' * 99)[:57] + '...'!r}, 'b'"


def test_a_missing_file_names_a_similar_one(written, tmp_path):
    written("a,b\n1,2\n", "reviews.csv")
    assert f"did you mean {tmp_path / 'reviews.csv'}?" in problem(tmp_path / "review.csv")


def test_a_file_larger_than_memory_is_refused_before_it_is_read(written, monkeypatch):
    monkeypatch.setattr("lemonade_es.trainer.data.memory.free_bytes", lambda: 100)
    assert "half of the free memory" in problem(written("a,b\n" + 50 * "1,2\n"))


def test_a_column_that_is_not_there_is_named_with_the_nearest(written):
    sheet = read_sheet(written("review,sentiment\nfine,1\n"))
    with pytest.raises(DataError, match="there is no column 'reviw' for the texts") as raised:
        sheet.index("reviw", "the texts")
    assert raised.value.hint == "did you mean 'review'?"


def test_a_split_column_puts_each_row_into_its_split(written):
    sheet = read_sheet(written("x,Split\n1,train\n2,VAL\n3,test\n4,training\n5,dev\n"))
    assert split_column(sheet) == (1, ["train", "validation", "test", "train", "validation"])


def test_a_split_column_with_other_values_is_a_column_like_any_other(written):
    assert split_column(read_sheet(written("x,split\n1,left\n2,right\n"))) is None


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("1,train\n2,tset\n", "no split is named by 1 cell of the column 'split': 'tset' in line 3"),
        ("1,test\n", "says train"),
    ],
)
def test_a_split_column_with_a_mistake_is_refused(written, rows, says):
    with pytest.raises(DataError, match="split") as raised:
        split_column(read_sheet(written(f"x,split\n{rows}")))
    assert says in str(raised.value)
