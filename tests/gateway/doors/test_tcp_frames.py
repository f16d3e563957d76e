"""The law of the decoder: the same events however the bytes are cut up, and never an exception."""

from __future__ import annotations

import json
import os
import struct
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.doors.tcp_frames import Event, Failed, FrameDecoder, close_frame, tcp_frame
from protocol.errors import Close

MAX_BYTES = 1000


def frame(payload: bytes) -> bytes:
    return struct.pack("!I", len(payload)) + payload


def whole(data: bytes) -> list[Event]:
    return FrameDecoder(MAX_BYTES).feed(data)


def in_pieces(data: bytes, size: int = 1) -> list[Event]:
    decoder = FrameDecoder(MAX_BYTES)
    return [event for at in range(0, len(data), size) for event in decoder.feed(data[at : at + size])]


texts = st.text(min_size=1, max_size=200).filter(lambda text: len(text.encode()) <= MAX_BYTES)


@given(st.lists(texts, max_size=6), st.integers(1, 9))
def test_reads_what_a_client_sends(said: list[str], size: int) -> None:
    data = b"".join(frame(text.encode()) for text in said)
    assert whole(data) == said
    assert in_pieces(data, size) == said


@given(st.binary(max_size=600) | st.lists(st.binary(max_size=8).map(frame)).map(b"".join), st.integers(1, 9))
def test_anything_is_an_event_or_nothing(data: bytes, size: int) -> None:
    assert whole(data) == in_pieces(data) == in_pieces(data, size)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(b""), Close.BAD_FRAMES),
        (frame(bytes(MAX_BYTES + 1)), Close.TOO_LARGE),
        (b"\xff\xff\xff\xff", Close.TOO_LARGE),
        (struct.pack("!I", MAX_BYTES + 1), Close.TOO_LARGE),
        (struct.pack("!i", -1), Close.TOO_LARGE),
        (frame(b"\xff"), Close.NOT_UTF8),
        (frame(b"\xed\xa0\x80"), Close.NOT_UTF8),
        (b"GET / HTTP/1.1\r\n", Close.TOO_LARGE),
        (b"\x16\x03\x01\x02\x00\x01", Close.TOO_LARGE),
        (b"SSH-2.0-OpenSSH_9.2\r\n", Close.TOO_LARGE),
    ],
)
def test_what_is_no_frame_is_named(data: bytes, code: Close) -> None:
    for before in (b"", frame(b"{}")):
        assert whole(before + data)[-1] == Failed(code)
        assert in_pieces(before + data)[-1] == Failed(code)


def test_a_frame_of_the_most_bytes_is_taken() -> None:
    assert whole(frame(b"x" * MAX_BYTES)) == ["x" * MAX_BYTES]


def test_nothing_is_said_after_the_end() -> None:
    decoder = FrameDecoder(MAX_BYTES)
    assert decoder.feed(frame(b"a") + frame(b"") + frame(b"late")) == ["a", Failed(Close.BAD_FRAMES)]
    assert decoder.feed(frame(b"later")) == []
    assert decoder.feed(os.urandom(100)) == []


def test_what_is_only_announced_takes_no_memory() -> None:
    tracemalloc.start()
    decoders = [FrameDecoder(64 * 1024) for _ in range(100)]
    for decoder in decoders:
        decoder.feed(struct.pack("!I", 64 * 1024) + b"x")
        assert decoder.is_unfinished
    assert tracemalloc.get_traced_memory()[0] < 100 * 500
    tracemalloc.stop()


def test_our_frames_have_their_length_in_front() -> None:
    assert tcp_frame(b'{"op":"x"}') == b'\x00\x00\x00\x0a{"op":"x"}'
    closing = close_frame(4010, "slow_consumer")
    assert closing[:4] == struct.pack("!I", len(closing) - 4)
    assert json.loads(closing[4:]) == {"op": "close", "data": {"code": 4010, "reason": "slow_consumer"}}
