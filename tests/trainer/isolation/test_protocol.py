"""Frames from a side that may do anything."""

from __future__ import annotations

import json
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator

import numpy as np
import pytest
import safetensors.numpy
from hypothesis import given
from hypothesis import strategies as st

from lemonade_es.trainer.isolation.protocol import (
    MESSAGE_LIMIT,
    Channel,
    ChannelClosedError,
    DeadlinePassedError,
    ProtocolError,
    decode,
    encode,
    expect,
    manifest,
)

Ends = tuple[Channel, Channel, int]


@pytest.fixture
def ends() -> Iterator[Ends]:
    """Two channels, and the descriptor under the second to write anything with."""
    left, right = socket.socketpair()
    with left, right:
        yield Channel(left.fileno()), Channel(right.fileno()), right.fileno()


def soon() -> float:
    return time.monotonic() + 5


integers = st.integers(min_value=-(2**63) + 1, max_value=2**63 - 1)
json_values = st.recursive(
    st.none() | st.booleans() | integers | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@given(st.dictionaries(st.text(), json_values, max_size=5))
def test_a_message_comes_back_as_it_was(message: dict[str, object]) -> None:
    assert decode(encode(message)) == message


def test_a_frame_larger_than_the_socket_arrives_whole(ends: Ends) -> None:
    here, there, _ = ends
    tensors = os.urandom(5_000_000)
    sender = threading.Thread(target=there.send, args=({"loss": 0.5}, tensors))
    sender.start()
    frame = here.receive(deadline=soon(), tensor_limit=len(tensors))
    sender.join()
    assert frame.message == {"loss": 0.5}
    assert frame.tensors == tensors


@pytest.mark.parametrize(
    "text",
    [
        b'{"loss": NaN}',
        b'{"loss": Infinity}',
        b'{"loss": 1e999}',
        b'{"loss": 1, "loss": 2}',
        b'{"a": {"b": 1, "b": 2}}',
        b"[1]",
        b"",
        b"\xff\xfe",
        '{"loss": 1}'.encode("utf-16"),
        '{"loss": 1}'.encode("utf-32-le"),
        b'{"a": "\xed\xa0\x80"}',
        b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
        b'{"a": ' + b"[" * 20 + b"]" * 20 + b"}",
        b'{"a": ' + b"9" * 5000 + b"}",
    ],
    ids=lambda text: text[:24].decode("latin-1"),
)
def test_what_is_no_plain_json_object_is_refused(text: bytes) -> None:
    with pytest.raises(ProtocolError):
        decode(text)


def test_lengths_are_checked_before_anything_is_read(ends: Ends) -> None:
    here, _, raw = ends
    os.write(raw, struct.pack("<IQ", MESSAGE_LIMIT + 1, 0))
    with pytest.raises(ProtocolError, match=str(MESSAGE_LIMIT)):
        here.receive(deadline=soon())
    os.write(raw, struct.pack("<IQ", 2, 101) + b"{}")
    with pytest.raises(ProtocolError, match="101 bytes of tensors; at most 100"):
        here.receive(deadline=soon(), tensor_limit=100)


def test_a_side_that_trickles_does_not_win_time(ends: Ends) -> None:
    here, _, raw = ends
    stop = threading.Event()

    def trickle() -> None:
        os.write(raw, struct.pack("<IQ", 1000, 0))
        while not stop.wait(0.05):
            os.write(raw, b" ")

    thread = threading.Thread(target=trickle)
    thread.start()
    started = time.monotonic()
    with pytest.raises(DeadlinePassedError):
        here.receive(deadline=started + 0.4)
    assert time.monotonic() - started < 1
    stop.set()
    thread.join()


def test_a_side_that_does_not_read_does_not_block_the_sender(ends: Ends) -> None:
    here, _, _ = ends
    with pytest.raises(DeadlinePassedError):
        here.send({}, bytes(50_000_000), deadline=time.monotonic() + 0.3)


def test_a_closed_end_is_told_from_silence() -> None:
    left, right = socket.socketpair()
    with left:
        right.close()
        with pytest.raises(ChannelClosedError):
            Channel(left.fileno()).receive(deadline=soon())


def test_the_manifest_of_a_real_file_gives_its_tensors() -> None:
    logits = np.arange(12, dtype=np.float32).reshape(4, 3)
    saved = safetensors.numpy.save({"logits": logits})
    spec = expect(saved, "logits", "F32", (4, 3))
    assert (np.frombuffer(saved[spec.start : spec.end], "<f4").reshape(4, 3) == logits).all()
    with pytest.raises(ProtocolError, match=r"expected logits F32 \(5, 3\)"):
        expect(saved, "logits", "F32", (5, 3))
    with pytest.raises(ProtocolError, match="expected probabilities"):
        expect(saved, "probabilities", "F32", (4, 3))


def file(entries: object, body: bytes = bytes(8)) -> bytes:
    header = json.dumps(entries).encode()
    return struct.pack("<Q", len(header)) + header + body


@pytest.mark.parametrize(
    "tensors",
    [
        b"",
        struct.pack("<Q", 2**60),
        file({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}),
        file({"a": {"dtype": "F32", "shape": [2], "data_offsets": [4, 12]}}),
        file({"a": {"dtype": "F32", "shape": [-1, -2], "data_offsets": [0, 8]}}),
        file({"a": {"dtype": "F32", "shape": [True, 2], "data_offsets": [0, 8]}}),
        file({"a": {"dtype": "object", "shape": [1], "data_offsets": [0, 8]}}),
        file({"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}, bytes(9)),
        file(
            {
                "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
                "b": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]},
            }
        ),
        file({"a": [1, 2]}),
        file({"a": {"dtype": "F32", "shape": [1] * 64 + [2], "data_offsets": [0, 8]}}),
    ],
)
def test_a_file_that_lies_about_itself_is_refused(tensors: bytes) -> None:
    with pytest.raises(ProtocolError):
        manifest(tensors)


def test_sides_without_number_cost_no_time() -> None:
    # their product has tens of millions of bits, and is worked out side by side
    entries = {"a": {"dtype": "F32", "shape": [2**62] * 350_000 + [0], "data_offsets": [0, 0]}}
    started = time.process_time()
    with pytest.raises(ProtocolError, match="'a' is described wrongly"):
        manifest(file(entries, b""))
    assert time.process_time() - started < 2
