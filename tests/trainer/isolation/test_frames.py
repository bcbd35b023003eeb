"""Frames that a candidate forges, cuts off or withholds: each is an outcome, and the next candidate passes."""

from __future__ import annotations

import pytest

from lemonade_es.trainer.workshop import Workshop

pytestmark = pytest.mark.isolation

HEAD = """
import torch
os, json, struct, time = map(__import__, "os json struct time".split())

def frame(message, tensors=b""):
    text = json.dumps(message).encode()
    return struct.pack("<IQ", len(text), len(tensors)) + text + tensors

"""
REPORT = """{
    "ok": True, "stage": "done", "code": None, "message": None, "line": None, "parameters": 1, "macs": 1,
    "activation_mb": 1.0, "census": {}, "architecture": "a", "seconds": 0.0,
}"""


@pytest.mark.parametrize(
    ("action", "code"),
    [
        pytest.param("os.write(3, frame({'a': 1})[:9]); os._exit(0)", "CRASHED", id="a frame cut off by the end"),
        pytest.param("os.write(3, frame({'a': 1})[:-1]); time.sleep(99)", "TIMED_OUT", id="a frame without its end"),
        pytest.param("time.sleep(99)", "TIMED_OUT", id="silence"),
        pytest.param("os.write(3, struct.pack('<IQ', 2**32 - 1, 2**64 - 1))", "PROTOCOL", id="a giant header"),
        pytest.param("os.write(3, frame({'answers': True, 'done': {}}))", "PROTOCOL", id="true is no number"),
        pytest.param("os.write(3, frame({'answers': 1, 'done': []}))", "PROTOCOL", id="done with a list"),
        pytest.param("os.write(3, frame({'answers': 1, 'done': {}}, b'tensors'))", "PROTOCOL", id="unasked tensors"),
        pytest.param("os.write(3, b'\\x80\\x05.' * 9)", "PROTOCOL", id="a pickle"),
    ],
)
def test_a_frame_that_is_none_is_an_outcome(workshop: Workshop, good: str, action: str, code: str) -> None:
    report = workshop.check(HEAD + action + good)
    assert (report.ok, report.code) == (False, code)
    assert workshop.check(good).ok


def test_a_second_frame_is_no_answer_to_the_next_question(workshop: Workshop, good: str) -> None:
    forged = f"os.write(3, frame({{'answers': 1, 'done': {{'report': {REPORT}}}}}))\n"
    forged += "os.write(3, frame({'answers': 2, 'done': {'parameters': 1}}))\n"
    forged += "os.write(3, frame({'answers': 3, 'done': {}}))\n"
    measurement = workshop.train(HEAD + forged + good, seed=1).measurement
    assert measurement.failure is not None
    assert measurement.failure.code == "PROTOCOL"
    assert measurement.metrics["V_Acc"] is None
    assert workshop.check(good).ok


@pytest.mark.parametrize("code", ["ok", "best", "pruned"])
def test_a_refusal_cannot_be_called_what_a_good_outcome_is_called(workshop: Workshop, good: str, code: str) -> None:
    forged = REPORT.replace(
        '"ok": True, "stage": "done", "code": None', f'"ok": False, "stage": "build", "code": "{code}"'
    )
    report = workshop.check(HEAD + f"os.write(3, frame({{'answers': 1, 'done': {{'report': {forged}}}}}))\n" + good)
    assert (report.ok, report.code) == (False, "PROTOCOL")
