"""What a measuring command may print."""

from __future__ import annotations

import contextlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lemonade_es.trainer.device.report import ReportError, read_report


def said(**figures):
    return json.dumps(figures).encode()


def test_all_figures_are_taken():
    report = read_report(said(L=2.0, F=500, B=900, W=3000, R=12.5, joules=0.006, provenance="estimated", device="Pi 4"))
    assert report.metrics == {"L": 2.0, "F": 500.0, "B": 900.0, "W": 3000.0, "R": 12.5}
    assert (report.joules, report.provenance, report.device) == (0.006, "estimated", "Pi 4")


def test_what_follows_is_worked_out_and_what_does_not_is_unknown():
    report = read_report(said(F=100, W=2000))
    assert report.metrics == {"L": 10.0, "F": 100.0, "B": None, "W": 2000.0, "R": None}
    assert report.joules == pytest.approx(0.02)
    assert read_report(said(L=10, joules=0.02, R=None)).metrics["W"] == pytest.approx(2000)


def test_the_last_line_counts_where_a_program_is_chatty():
    assert read_report(b"warming up\nL is 3\n" + said(L=4) + b"\n").metrics["L"] == 4


def test_an_object_over_several_lines_is_taken():
    assert read_report(b'{\n  "L": 4\n}\n').metrics["L"] == 4


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (b"", "printed nothing"),
        (b"  \n", "printed nothing"),
        (b"4.5", "not an object"),
        (b"L=4", "not JSON"),
        (b"done\nbye", "its last line"),
        (b'{"L": NaN}', "not JSON"),
        (b'{"L": 1, "L": 2}', "twice"),
        (b'{"L": 1e999}', "not finite"),
        (said(L=0), "above 0"),
        (said(L=-1), "above 0"),
        (said(L="4"), "above 0"),
        (said(L=True), "above 0"),
        (said(L=[4]), "above 0"),
        (said(L=1e300), "above 0"),
        (said(W=5), "neither L .* nor F"),
        (said(L=2, F=2), "contradict each other"),
        (said(L=1e-300), "F is 1e\\+303; it must be"),
        (said(F=1e-300, W=5), "L is 1e\\+303; it must be"),
        (said(L=1e-10, joules=1e10), "W is 1e\\+26; it must be"),
        (said(L=2, provenance="guessed"), "measured or estimated"),
        (said(L=2, device="a\nb"), "device is"),
        (said(L=2, device="x" * 300), "device is"),
        (said(L=2, latency=3), "latency, which is unknown"),
        (said(L=2, joule=3), "did you mean joules"),
        (said(L=2, f=3), "did you mean F"),
    ],
)
def test_what_is_no_report_is_refused_with_the_reason(text, told):
    with pytest.raises(ReportError, match=told):
        read_report(text)


@given(
    st.binary(max_size=200)
    | st.dictionaries(st.sampled_from(["L", "F", "W", "x"]), st.floats()).map(repr).map(str.encode)
)
def test_no_bytes_do_more_than_be_refused(text):
    with contextlib.suppress(ReportError):
        assert 0 < read_report(text).metrics["L"] < math.inf
