"""Attackers' connections, one after another in each lane: what attacks.py says goes out, what comes back is judged.

Law: a logged-in connection that was sent frames, whatever is in them, answers a right command behind them or closes.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from contextlib import suppress
from random import Random
from typing import Any

import msgspec
from msgspec import Raw

from protocol.frames import MAX_SERVER_FRAME_BYTES
from tests.fuzz import attacks, framings
from tests.fuzz.answers import (
    CLOSE_OPCODE,
    STATUSES,
    TEXT_OPCODE,
    LoopCounter,
    read_http,
    read_tcp,
    read_ws,
)
from tests.fuzz.attacks import Attack, Burst
from tests.fuzz.commands import Cast
from tests.fuzz.requests import RECV, Request, request

ANSWER_S = 15.0
GLANCE_S = 0.15  # for what need not be answered
MARKER = "marker"

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Frames(msgspec.Struct):
    """The frames of an answer as they came: a number that Python has read is longer when it is written again."""

    frames: list[Raw] = []

    @classmethod
    def of(cls, body: bytes) -> Iterator[bytes]:
        return map(bytes, msgspec.json.decode(body, type=cls).frames)


class Ended(Exception):
    """The connection is over."""


class Lane:
    """One attacker; `casts` are the sessions that it may use, of which it drops those that are over."""

    def __init__(self, door: str, port: int, casts: list[Cast], tally: LoopCounter) -> None:
        self._door = door
        self._port = port
        self._casts = casts
        self._tally = tally
        self._where = ""

    def __repr__(self) -> str:
        return f"Lane({self._where or self._door}, {len(self._casts)} sessions)"

    async def run(self, seed: int, number: int) -> None:
        """The connection of this number."""
        rng = attacks.dice(seed, self._door, number)
        cast = self._casts[number % len(self._casts)]
        self._where = f"seed {seed} {self._door} {number}"
        self._tally.connections += 1
        try:
            if self._door == "poll":
                await self._poll(rng, cast)
            else:
                await self._attack(attacks.attack(self._door, rng, cast), cast)
        except ConnectionRefusedError:
            raise  # nobody listens any more: there is nothing left to attack
        except (Ended, OSError, asyncio.IncompleteReadError):
            pass
        except TimeoutError:
            self._tally.find(self._where, f"no answer within {ANSWER_S:.0f} s")

    async def _open(self) -> Streams:
        return await asyncio.open_connection("127.0.0.1", self._port)

    # --- doors with connections

    async def _attack(self, attack: Attack, cast: Cast) -> None:
        reader, writer = await self._open()
        try:
            if attack.opening and not await self._is_opened(attack, reader, writer):
                return
            writer.write(attack.login)
            self._tally.sent += not attack.is_login_right
            self._tally.right += attack.is_login_right
            if attack.is_login_right and not await self._is_in(reader, cast):
                return
            for burst in attack.bursts:
                await self._send(burst, attack.is_login_right, cast, reader, writer)
        finally:
            if attack.ends_abruptly:
                writer.transport.abort()
            else:
                writer.close()

    async def _is_opened(self, attack: Attack, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        writer.write(attack.opening)
        if attack.is_opening_right:
            async with asyncio.timeout(ANSWER_S):
                return (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
        self._tally.sent += 1
        try:
            async with asyncio.timeout(GLANCE_S):
                status = int((await reader.readuntil(b"\r\n\r\n"))[9:12])
        except TimeoutError:
            return False
        if status != 101 and status not in STATUSES | {400, 403, 426}:
            self._tally.find(self._where, f"a handshake was answered with {status}")
        return status == 101

    async def _is_in(self, reader: asyncio.StreamReader, cast: Cast) -> bool:
        async with asyncio.timeout(ANSWER_S):
            if await self._until(reader, "login") == "reply":
                return True
        if len(self._casts) > 1:  # its session is over
            self._casts.remove(cast)
        return False

    async def _send(
        self, burst: Burst, is_logged_in: bool, cast: Cast, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        writer.write(burst.data + self._marker(cast))
        self._tally.sent += burst.frames
        self._tally.right += 1
        is_due = burst.is_framed and is_logged_in
        try:
            async with asyncio.timeout(ANSWER_S if is_due else GLANCE_S):
                await writer.drain()
                await self._until(reader, MARKER)
        except TimeoutError:
            if is_due:
                raise
            raise Ended from None

    def _marker(self, cast: Cast) -> bytes:
        frame = json.dumps({"op": "user.get", "id": MARKER, "data": {"ids": [cast.user]}}).encode()
        return framings.ws_frame(frame, Random(0)) if self._door == "ws" else framings.tcp_frame(frame, Random(0))

    async def _until(self, reader: asyncio.StreamReader, frame_id: str) -> str:
        """Judge what comes; the op of the frame that answers `frame_id`. Raises Ended where the connection does."""
        read = read_ws if self._door == "ws" else read_tcp
        while True:
            try:
                opcode, payload = await read(reader)
            except (asyncio.IncompleteReadError, ConnectionError):
                self._tally.closed(self._where, 0, self._door)
                raise Ended from None
            if opcode == CLOSE_OPCODE:
                self._tally.closed(self._where, int.from_bytes(payload[:2], "big"), self._door)
                raise Ended
            if opcode == TEXT_OPCODE:
                frame = self._tally.frame(self._where, payload)
                if frame is not None and frame.id == frame_id:
                    return frame.op

    # --- long-poll

    async def _poll(self, rng: Random, cast: Cast) -> None:
        reader, writer = await self._open()
        try:
            self._tally.right += 1
            status, body = await self._exchange(attacks.opening_request(rng, cast), reader, writer)
            if status != 200:
                if len(self._casts) > 1:
                    self._casts.remove(cast)
                return
            session = json.loads(body)["session"]
            await self._follow(attacks.poll_requests(session, rng, cast), reader, writer)
            if rng.random() < 0.2:
                await self._wait(session, reader, writer)
        finally:
            writer.transport.abort()

    async def _follow(
        self, plan: Iterator[Request], reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        for wanted in plan:
            self._tally.sent += wanted.frames
            status, _ = await self._exchange(wanted, reader, writer)
            if wanted.is_broken or status == 410:
                raise Ended

    async def _exchange(
        self, wanted: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[int, bytes]:
        writer.write(wanted.data)
        try:
            async with asyncio.timeout(GLANCE_S if wanted.is_broken else ANSWER_S):
                await writer.drain()
                status, body = await read_http(reader)
        except (TimeoutError, asyncio.LimitOverrunError):
            if wanted.is_broken:
                raise Ended from None
            raise
        if status not in STATUSES:
            self._tally.find(self._where, f"answered with {status}: {body[:200]!r}")
        elif not wanted.is_broken:
            self._judge(body)
        return status, body

    def _judge(self, body: bytes) -> None:
        if len(body) > MAX_SERVER_FRAME_BYTES:
            self._tally.find(self._where, f"an answer of {len(body)} bytes: {body[:100]!r}")
        try:
            answer: dict[str, Any] = json.loads(body)
        except ValueError:
            self._tally.find(self._where, f"what came is not JSON: {body[:200]!r}")
            return
        if "error" in answer:
            self._tally.refusal(self._where, answer["error"])
        for frame in _Frames.of(body):
            self._tally.frame(self._where, frame)

    async def _wait(self, session: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """A poll, left before or after its answer."""
        writer.write(request("GET", f"{RECV}?session={session}&cursor=0"))
        with suppress(TimeoutError):
            async with asyncio.timeout(GLANCE_S):
                await read_http(reader)
