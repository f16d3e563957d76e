"""A WebSocket that sends the bytes it is given, right or wrong, and reads what comes back frame by frame."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import socket
import struct
from typing import Any, Self, cast

from tests.gateway.site import WAIT_S, Frame, Site

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
NARROW_BYTES = 16 * 1024


async def connected(port: int, *, is_narrow: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """A connection to this port; where it is narrow, its kernel takes only a few kilobytes in advance."""
    client = socket.socket()
    if is_narrow:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, NARROW_BYTES)
    client.setblocking(False)
    await asyncio.get_running_loop().sock_connect(client, ("127.0.0.1", port))
    return await asyncio.open_connection(sock=client)


def masked(opcode: int, payload: bytes, *, is_final: bool = True) -> bytes:
    """A client's frame, masked with zeros."""
    size, first = len(payload), opcode | (0x80 if is_final else 0)
    if size < 126:
        return bytes((first, 0x80 | size)) + bytes(4) + payload
    return struct.pack("!BBH", first, 0x80 | 126, size) + bytes(4) + payload


def handshake() -> bytes:
    key = base64.b64encode(os.urandom(16)).decode()
    return (
        "GET /ws HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n\r\n"
    ).encode()


class RawSocket:
    """`async with await RawSocket.open(site) as raw`."""

    @staticmethod
    def framed(payload: bytes) -> bytes:
        """A text as this door's frame."""
        return masked(TEXT, payload)

    @classmethod
    def command(cls, op: str, data: Any, frame_id: str) -> bytes:
        """A command as this door's frame."""
        return cls.framed(json.dumps({"op": op, "id": frame_id, "data": data}).encode())

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self.texts: list[Frame] = []
        self.pongs = 0

    @classmethod
    async def open(cls, site: Site, user: str = "", *, is_narrow: bool = False) -> Self:
        """After the handshake; with a user, after the login."""
        reader, writer = await connected(site.port, is_narrow=is_narrow)
        writer.write(handshake())
        head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), WAIT_S)
        assert head.startswith(b"HTTP/1.1 101")
        return await cls(reader, writer).enter(site, user)

    async def enter(self, site: Site, user: str) -> Self:
        if user:
            login = {"token": site.token(user), "terminal": "web", "device": "d1"}
            self.write(self.command("login", login, "login"))
            assert (await self.next_text())["op"] == "reply"
        return self

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *failure: object) -> None:
        self._writer.transport.abort()

    def write(self, data: bytes) -> None:
        """Into this process's buffer, however much it is; the socket takes what it can."""
        self._writer.write(data)

    @property
    def unsent_bytes(self) -> int:
        """What the socket has not taken."""
        return self._writer.transport.get_write_buffer_size()

    def stop_reading(self) -> None:
        """Take nothing more; of a narrow connection the kernel takes only a few kilobytes."""
        cast("asyncio.Transport", self._writer.transport).pause_reading()

    def read_on(self) -> None:
        cast("asyncio.Transport", self._writer.transport).resume_reading()

    async def next(self) -> tuple[int, bytes]:
        """The opcode and the payload of the next frame. Raises IncompleteReadError where none comes any more."""
        async with asyncio.timeout(WAIT_S):
            first, size = await self._reader.readexactly(2)
            if size == 126:
                size = int.from_bytes(await self._reader.readexactly(2), "big")
            elif size == 127:
                size = int.from_bytes(await self._reader.readexactly(8), "big")
            return first & 0x0F, await self._reader.readexactly(size)

    async def next_text(self) -> Frame:
        """The next text frame; pongs before it are counted."""
        while True:
            opcode, payload = await self.next()
            if opcode == TEXT:
                self.texts.append(json.loads(payload))
                return self.texts[-1]
            assert opcode == PONG, (opcode, payload)
            self.pongs += 1

    async def closed(self) -> int:
        """The code of the close frame; texts before it are kept in `texts`, pongs are counted."""
        while True:
            opcode, payload = await self.next()
            if opcode == CLOSE:
                return int.from_bytes(payload[:2], "big")
            if opcode == TEXT:
                self.texts.append(json.loads(payload))
            else:
                self.pongs += 1
