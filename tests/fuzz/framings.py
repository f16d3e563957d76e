"""Frames of the WebSocket and the TCP door around any payload: right ones, and ones that break the rules. Pure."""

from __future__ import annotations

import struct
from collections.abc import Callable
from random import Random

from tests.fuzz.texts import mutated_bytes

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
FINAL, MASKED = 0x80, 0x80
CLOSE_CODES = (0, 999, 1000, 1001, 1004, 1005, 1006, 1012, 1015, 2999, 3000, 4999, 5000, 65535)
LENGTHS = (0, 1, 65_535, 65_536, 65_537, 2**31, 2**63 - 1, 2**64 - 1)
STRANGERS = (
    b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    b"SSH-2.0-OpenSSH_9.2\r\n",
    b"\x00" * 64,
    b"\xff" * 64,
)


def _masked(payload: bytes, mask: bytes) -> bytes:
    pad = (mask * (len(payload) // 4 + 1))[: len(payload)]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(pad, "big")).to_bytes(len(payload), "big")


def _length(size: int, form: int) -> bytes:
    """A length field with the mask bit; `form` 126 or 127 where it is longer than it need be."""
    if form < 126 and size < 126:
        return bytes((MASKED | size,))
    if form < 127 and size < 1 << 16:
        return struct.pack("!BH", MASKED | 126, size)
    return struct.pack("!BQ", MASKED | 127, size)


def ws_frame(payload: bytes, rng: Random, opcode: int = TEXT, *, is_final: bool = True, form: int = 0) -> bytes:
    """A client's frame."""
    mask = rng.randbytes(4)
    return bytes((opcode | FINAL * is_final,)) + _length(len(payload), form) + mask + _masked(payload, mask)


def ws_message(payload: bytes, rng: Random) -> bytes:
    """A message as a client may send it: whole, or in pieces with pings between them."""
    if rng.random() < 0.9:
        return ws_frame(payload, rng, form=rng.choice((0, 0, 0, 126, 127)))
    cut = rng.randrange(len(payload) + 1)
    between = ws_frame(rng.randbytes(rng.randrange(126)), rng, rng.choice((PING, PONG)))
    return ws_frame(payload[:cut], rng, is_final=False) + between + ws_frame(payload[cut:], rng, CONTINUATION)


def _other_head(payload: bytes, rng: Random) -> bytes:
    return bytes((rng.randrange(256),)) + ws_frame(payload, rng)[1:]


def _other_length(payload: bytes, rng: Random) -> bytes:
    wrong = max(0, len(payload) + rng.choice((-1, 1, 7, -len(payload)))) if rng.random() < 0.6 else rng.choice(LENGTHS)
    mask = rng.randbytes(4)
    return bytes((FINAL | TEXT,)) + _length(wrong, rng.choice((0, 126, 127))) + mask + _masked(payload, mask)


def _unmasked(payload: bytes, rng: Random) -> bytes:
    return bytes((FINAL | TEXT, min(len(payload), 125))) + payload


def _control(payload: bytes, rng: Random) -> bytes:
    opcode = rng.choice((PING, PONG, CLOSE, 0xB, 0xF))
    size = rng.choice((0, 1, 2, 125, 126, 300))
    return ws_frame(rng.randbytes(size), rng, opcode, is_final=rng.random() < 0.8)


def _close(payload: bytes, rng: Random) -> bytes:
    reason = rng.choice((b"", b"bye", b"\xff", b"\xed\xa0\x80", payload[:120]))
    return ws_frame(struct.pack("!H", rng.choice(CLOSE_CODES)) + reason, rng, CLOSE)


def _wrong_order(payload: bytes, rng: Random) -> bytes:
    opcodes = [rng.choice((TEXT, CONTINUATION, PING)) for _ in range(rng.randint(1, 4))]
    return b"".join(ws_frame(payload[:50], rng, opcode, is_final=rng.random() < 0.5) for opcode in opcodes)


def _many_fragments(payload: bytes, rng: Random) -> bytes:
    pieces = ws_frame(b"", rng, CONTINUATION, is_final=False) * rng.choice((10, 63, 64, 65, 200))
    return ws_frame(payload[:50], rng, is_final=False) + pieces + ws_frame(b"", rng, CONTINUATION)


def _binary(payload: bytes, rng: Random) -> bytes:
    return ws_frame(payload, rng, BINARY)


def _changed(payload: bytes, rng: Random) -> bytes:
    return mutated_bytes(ws_frame(payload, rng), rng)


def _noise(payload: bytes, rng: Random) -> bytes:
    return rng.choice(STRANGERS) if rng.random() < 0.3 else rng.randbytes(rng.randint(1, 200))


WS_BREAKS: tuple[Callable[[bytes, Random], bytes], ...] = (
    *(_other_head, _other_length, _unmasked, _control, _close, _wrong_order, _many_fragments, _binary, _changed),
    *(_changed, _noise),
)


def broken_ws(payload: bytes, rng: Random) -> bytes:
    """A frame that breaks a rule, or comes close to it."""
    return rng.choice(WS_BREAKS)(payload, rng)


def tcp_frame(payload: bytes, rng: Random) -> bytes:
    """A client's frame."""
    return len(payload).to_bytes(4, "big") + payload


def broken_tcp(payload: bytes, rng: Random) -> bytes:
    """A frame whose length is wrong, or no frame."""
    kind = rng.randrange(4)
    if kind == 0:
        wrong = max(0, len(payload) + rng.choice((-1, 1, 7, -len(payload))))
        return wrong.to_bytes(4, "big") + payload
    if kind == 1:
        return (rng.choice(LENGTHS) & 0xFFFFFFFF).to_bytes(4, "big") + payload
    return _noise(payload, rng) if kind == 2 else mutated_bytes(tcp_frame(payload, rng), rng)
