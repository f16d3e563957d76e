"""The law of the decoder: the same events however the bytes are cut up, and never an exception."""

from __future__ import annotations

import os
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.frames import Frame, Opcode

from gateway.doors.ws_frames import (
    Closing,
    Event,
    Failed,
    FrameDecoder,
    Ping,
    Pong,
    close_frame,
    pong_frame,
    text_frame,
)
from protocol.errors import Close

MAX_BYTES = 1000


def frame(opcode: int, payload: bytes = b"", *, final: bool = True, masked: bool = True) -> bytes:
    """A client's frame as another implementation writes it."""
    return bytes(Frame(Opcode(opcode), payload, fin=final).serialize(mask=masked))


def whole(data: bytes) -> list[Event]:
    return FrameDecoder(MAX_BYTES).feed(data)


def byte_by_byte(data: bytes) -> list[Event]:
    decoder = FrameDecoder(MAX_BYTES)
    return [event for at in range(len(data)) for event in decoder.feed(data[at : at + 1])]


texts = st.text(max_size=200).filter(lambda text: len(text.encode()) <= MAX_BYTES)
control = st.binary(max_size=125)


@st.composite
def conversations(draw: st.DrawFn) -> tuple[bytes, list[Event]]:
    """What a well-behaved client sends, and what should be read."""
    data, events = b"", []
    for _ in range(draw(st.integers(0, 6))):
        kind = draw(st.sampled_from(["text", "fragments", "ping", "pong"]))
        if kind == "text":
            text = draw(texts)
            data += frame(1, text.encode())
            events.append(text)
        elif kind == "fragments":
            text = draw(texts)
            raw = text.encode()
            cut = draw(st.integers(0, len(raw)))
            payload = draw(control)
            data += frame(1, raw[:cut], final=False) + frame(9, payload) + frame(0, raw[cut:])
            events += [Ping(payload), text]
        else:
            payload = draw(control)
            data += frame(9 if kind == "ping" else 10, payload)
            events.append(Ping(payload) if kind == "ping" else Pong(payload))
    return data, events


@given(conversations())
def test_reads_what_another_implementation_writes(conversation: tuple[bytes, list[Event]]) -> None:
    data, events = conversation
    assert whole(data) == events
    assert byte_by_byte(data) == events


@given(st.binary(max_size=600))
def test_anything_is_an_event_or_nothing(data: bytes) -> None:
    assert whole(data) == byte_by_byte(data)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (frame(1, b"x", masked=False), Close.PROTOCOL_ERROR),
        (b"\xc1\x80" + bytes(4), Close.PROTOCOL_ERROR),  # a reserved bit
        (b"\x83\x80" + bytes(4), Close.PROTOCOL_ERROR),  # a reserved opcode
        (b"\x8b\x80" + bytes(4), Close.PROTOCOL_ERROR),
        (b"\x09\x80" + bytes(4), Close.PROTOCOL_ERROR),  # a ping in pieces
        (b"\x89\xfe" + struct.pack("!H", 126) + bytes(130), Close.PROTOCOL_ERROR),  # a long ping
        (frame(0, b"x"), Close.PROTOCOL_ERROR),  # nothing to continue
        (frame(1, b"x", final=False) + frame(1, b"y"), Close.PROTOCOL_ERROR),
        (frame(2, b"x"), Close.UNSUPPORTED),
        (frame(1, b"\xff"), Close.NOT_UTF8),
        (frame(1, b"\xed\xa0\x80"), Close.NOT_UTF8),
        (frame(1, bytes(MAX_BYTES + 1)), Close.TOO_LARGE),
        (b"\x81\xff" + struct.pack("!Q", 2**63 - 1), Close.TOO_LARGE),  # only announced
        (frame(1, bytes(600), final=False) + frame(0, bytes(600)), Close.TOO_LARGE),
        (frame(1, b"", final=False) + frame(0, b"", final=False) * 100, Close.POLICY),
        (frame(8, b"x"), Close.PROTOCOL_ERROR),
        (frame(8, struct.pack("!H", 999)), Close.PROTOCOL_ERROR),
        (frame(8, struct.pack("!H", 1005)), Close.PROTOCOL_ERROR),
        (frame(8, struct.pack("!H", 65535)), Close.PROTOCOL_ERROR),
        (frame(8, struct.pack("!H", 1000) + b"\xff"), Close.NOT_UTF8),
    ],
    ids=lambda value: value.name if isinstance(value, Close) else "",  # masks are random
)
def test_what_breaks_the_rules_is_named(data: bytes, code: Close) -> None:
    assert whole(data)[-1] == Failed(code)
    assert byte_by_byte(data)[-1] == Failed(code)


def test_nothing_is_said_after_the_end() -> None:
    decoder = FrameDecoder(MAX_BYTES)
    assert decoder.feed(frame(8, struct.pack("!H", 1001)) + frame(1, b"late")) == [Closing(1001)]
    assert decoder.feed(frame(1, b"later")) == []
    assert decoder.feed(os.urandom(100)) == []


def test_a_close_without_a_code_is_a_normal_one() -> None:
    assert whole(frame(8)) == [Closing(1000)]


@given(st.binary(max_size=70_000))
def test_our_text_frames_are_those_of_another_implementation(payload: bytes) -> None:
    assert text_frame(payload) == Frame(Opcode.TEXT, payload).serialize(mask=False)


def test_our_control_frames_are_those_of_another_implementation() -> None:
    assert pong_frame(b"x") == Frame(Opcode.PONG, b"x").serialize(mask=False)
    assert close_frame(4006, "kicked") == Frame(Opcode.CLOSE, b"\x0f\xa6kicked").serialize(mask=False)
    assert len(close_frame(4006, "r" * 300)) == 2 + 125
