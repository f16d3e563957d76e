"""Reads the pushes of thousands of connections at little cost: their sockets are emptied a few times a second.

picows and the event loop cost a system call and several callbacks for each push; here a read brings all that came
since the last look. Every frame is still looked at: its seq must follow the one before on its connection.
"""

from __future__ import annotations

import asyncio
import os
import select
from collections.abc import Iterable
from typing import cast

from picows import WSTransport

SWEEP_S = 0.02
READ_BYTES = 256 * 1024
TEXT, PING = 0x81, 0x89
SEQ = b'"seq":'


class Sweep:
    """`take` a connection that nobody else reads from any more. `frames` were received so far, `disorders` were not
    the next of their connection, and `strangers` were no text frames with a seq."""

    def __init__(self, transports: Iterable[WSTransport]) -> None:
        self._epoll = select.epoll()
        self._rest: dict[int, bytes] = {}
        self._last: dict[int, int] = {}
        self.frames = self.disorders = self.strangers = 0
        for transport in transports:
            underlying = cast("asyncio.ReadTransport", transport.underlying_transport)
            underlying.pause_reading()
            descriptor = underlying.get_extra_info("socket").fileno()
            self._rest[descriptor] = b""
            self._epoll.register(descriptor, select.EPOLLIN)

    def __repr__(self) -> str:
        return f"Sweep({len(self._rest)} sockets, {self.frames} frames)"

    async def work(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(SWEEP_S)

    def look(self) -> None:
        """Take in everything that has arrived."""
        for descriptor, _ in self._epoll.poll(0, len(self._rest)):
            came = os.read(descriptor, READ_BYTES)
            if not came:
                self.strangers += 1
                self._epoll.unregister(descriptor)
            self._rest[descriptor] = self._walk(descriptor, self._rest[descriptor] + came)

    def _walk(self, descriptor: int, data: bytes) -> bytes:
        """Count the whole frames; what is left over."""
        at, end = 0, len(data)
        while end - at >= 4:
            size, begin = data[at + 1], at + 2
            if size == 126:
                size, begin = data[at + 2] << 8 | data[at + 3], at + 4
            if begin + size > end:
                break
            found = data.find(SEQ, begin, begin + size)
            if data[at] == PING:
                pass  # the server asks whether this one lives
            elif data[at] != TEXT or found < 0:
                self.strangers += 1
            else:
                self._count(descriptor, int(data[found + 6 : data.index(b",", found)]))
            at = begin + size
        return data[at:]

    def _count(self, descriptor: int, seq: int) -> None:
        self.frames += 1
        last = self._last.get(descriptor, seq - 1)
        if seq != last + 1:
            self.disorders += 1
        self._last[descriptor] = seq
