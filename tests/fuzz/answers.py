"""What a gateway sends to an attacker: read, counted, and doubted. A fault of ours shows here first."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import msgspec

from protocol import codec
from protocol.errors import HTTP_STATUS, Close
from protocol.frames import MAX_SERVER_FRAME_BYTES

CLOSE_OPCODE, TEXT_OPCODE, PONG_OPCODE = 0x8, 0x1, 0xA
OPS = frozenset({"reply", "error", "heartbeat", "message", "kicked", "resync", "reconnect", "receipt", "conversation"})
# Of HTTP itself, for requests that are wrong as such.
STATUSES = frozenset({100, 200, 404, 405, 415, 501, *HTTP_STATUS.values()}) - {500}


class Frame(msgspec.Struct):
    """A frame of the server's."""

    op: str
    data: msgspec.Raw
    id: str | None = None


_read = msgspec.json.Decoder(Frame).decode


def misfit(payload: bytes) -> str:
    """What makes a frame, or an answer of long-poll, one that no client needs to take; "" where it fits."""
    if len(payload) > MAX_SERVER_FRAME_BYTES:
        return f"a frame of {len(payload)} bytes: {payload[:100]!r}"
    if codec.is_deeper(payload.decode(), codec.MAX_DEPTH):
        return f"a frame that is nested too deep: {payload[:100]!r}"
    return ""


class LoopCounter:
    """`sent` mutated frames, `right` ones between them, `replies`, refusals and closes by code, the `largest` frame
    that came (bytes), and `findings`: what no input may lead to."""

    def __init__(self) -> None:
        self.sent = 0
        self.right = 0
        self.connections = 0
        self.replies = 0
        self.largest = 0
        self.codes: Counter[str] = Counter()
        self.closes: Counter[str] = Counter()
        self.findings: list[str] = []

    def find(self, where: str, what: str) -> None:
        if len(self.findings) < 20:
            self.findings.append(f"{where}: {what}")

    def size(self, where: str, payload: bytes) -> None:
        """A frame, or an answer of long-poll, that came."""
        self.largest = max(self.largest, len(payload))
        if wrong := misfit(payload):
            self.find(where, wrong)

    def frame(self, where: str, payload: bytes) -> Frame | None:
        """A frame that came; None where it is none."""
        self.size(where, payload)
        try:
            frame = _read(payload)
        except msgspec.MsgspecError as error:
            self.find(where, f"what came is no frame ({error}): {payload[:200]!r}")
            return None
        if frame.op == "error":
            self.refusal(where, msgspec.json.decode(frame.data))
        elif frame.op == "reply":
            self.replies += 1
        elif frame.op not in OPS and frame.op != "close":
            self.find(where, f"no op of ours: {frame.op}")
        return frame

    def refusal(self, where: str, error: Any) -> None:
        code = str(error.get("code"))
        self.codes[code] += 1
        if code not in HTTP_STATUS or code in ("internal", "timeout"):
            self.find(where, f"refused with {error}")

    def closed(self, where: str, code: int, door: str) -> None:
        """How a connection ended; 0 without a word."""
        self.closes[str(code)] += 1
        if code and code not in Close.__members__.values() and door != "ws":
            self.find(where, f"no close code of ours: {code}")

    def as_data(self) -> dict[str, Any]:
        return {
            "sent": self.sent,
            "right": self.right,
            "connections": self.connections,
            "replies": self.replies,
            "largest": self.largest,
            "codes": dict(self.codes),
            "closes": dict(self.closes),
            "findings": self.findings,
        }


async def read_ws(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """(opcode, payload) of the server's next frame."""
    first, size = await reader.readexactly(2)
    if size >= 126:
        size = int.from_bytes(await reader.readexactly(2 if size == 126 else 8), "big")
    return first & 0x0F, await reader.readexactly(size)


async def read_tcp(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """The same of the TCP door, as a WebSocket would have it."""
    payload = await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))
    if payload.startswith(b'{"op":"close"'):
        return CLOSE_OPCODE, int(msgspec.json.decode(payload)["data"]["code"]).to_bytes(2, "big")
    return TEXT_OPCODE, payload


async def read_http(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    """(status, body) of an answer to a request that was not HEAD."""
    head = await reader.readuntil(b"\r\n\r\n")
    size = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            size = int(value)
    return int(head[9:12]), await reader.readexactly(size)
