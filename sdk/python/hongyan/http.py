"""HTTP/1.1 as our own doors speak it, for clients: one request at a time over a connection that is kept."""

from __future__ import annotations

import asyncio
import contextlib
import time
from typing import NamedTuple

KEPT_S = 10.0  # a connection that was idle for longer may be closed by the server at any moment


class Response(NamedTuple):
    status: int
    body: bytes


class HttpConnection:
    """Requests to one host. A request that fails raises OSError; the next one connects anew."""

    def __init__(self, host: str, port: int, connect_s: float) -> None:
        self._host, self._port, self._connect_s = host, port, connect_s
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._used_at = 0.0

    def __repr__(self) -> str:
        return f"HttpConnection({self._host}:{self._port}, {'kept' if self._writer else 'not connected'})"

    async def connect(self) -> None:
        """Raises OSError, TimeoutError."""
        async with asyncio.timeout(self._connect_s):
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
        self._used_at = time.monotonic()

    async def request(self, method: str, path: str, body: bytes | None = None) -> Response:
        """A body is JSON. Raises OSError."""
        if time.monotonic() - self._used_at > KEPT_S:
            self.close()
        if self._writer is None:
            await self.connect()
        try:
            return await self._exchange(method, path, body)
        except (asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError) as broken:
            self.close()
            raise ConnectionResetError(f"no answer of HTTP: {broken}") from None
        except BaseException:
            self.close()
            raise

    async def _exchange(self, method: str, path: str, body: bytes | None) -> Response:
        assert self._reader is not None and self._writer is not None
        lines = [f"{method} {path} HTTP/1.1", f"Host: {self._host}:{self._port}"]
        if body is not None:
            lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
        self._writer.write("\r\n".join([*lines, "", ""]).encode() + (body or b""))
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1").lower()
        status, *fields = head.split("\r\n")
        headers = dict(field.split(": ", 1) for field in fields if ": " in field)
        answer = await self._reader.readexactly(int(headers.get("content-length", "0")))
        self._used_at = time.monotonic()
        if headers.get("connection") == "close":
            self.close()
        return Response(int(status.split(" ")[1]), answer)

    def close(self) -> None:
        """Let go of the connection; the next request makes another."""
        writer, self._writer = self._writer, None
        if writer is not None:
            with contextlib.suppress(RuntimeError):  # the loop is gone
                writer.close()
