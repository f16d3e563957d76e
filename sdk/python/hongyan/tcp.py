"""The TCP door as a channel: `tcp://HOST:PORT`, frames with a 4-byte length in front."""

from __future__ import annotations

import asyncio
import contextlib
import json
from urllib.parse import urlsplit

from hongyan.channel import NO_CODE, ChannelClosed
from hongyan.wire import MAX_SERVER_FRAME_BYTES

HEAD_BYTES = 4
CLOSE = '{"op":"close"'
NO_FRAMES = "what came is no frame"


class TcpChannel:
    """See channel.Channel."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.writer = writer
        self.close_code = NO_CODE
        self.close_reason = ""
        self._reader = reader
        self._size: int | None = None  # of the frame whose length was read

    def __repr__(self) -> str:
        return f"TcpChannel({'closed' if self._reader.at_eof() else 'open'})"

    @classmethod
    async def open(cls, url: str, timeout_s: float) -> TcpChannel:
        """Raises OSError, TimeoutError."""
        parts = urlsplit(url)
        async with asyncio.timeout(timeout_s):
            return cls(*await asyncio.open_connection(parts.hostname, parts.port))

    async def send(self, text: str | bytes) -> None:
        raw = text.encode() if isinstance(text, str) else text
        try:
            self.writer.write(len(raw).to_bytes(HEAD_BYTES, "big") + raw)
            await self.writer.drain()
        except OSError:
            raise ChannelClosed from None

    async def receive(self) -> str:
        try:
            if self._size is None:
                self._size = int.from_bytes(await self._reader.readexactly(HEAD_BYTES), "big")
            if self._size > 2 * MAX_SERVER_FRAME_BYTES:
                raise ValueError
            text = (await self._reader.readexactly(self._size)).decode()
        except (OSError, asyncio.IncompleteReadError):
            raise ChannelClosed from None
        except ValueError:
            self.close_reason = NO_FRAMES
            raise ChannelClosed from None
        self._size = None
        if text.startswith(CLOSE):
            ending = json.loads(text)["data"]
            self.close_code, self.close_reason = ending["code"], ending["reason"]
            raise ChannelClosed
        return text

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(OSError):
            await self.writer.wait_closed()

    def abort(self) -> None:
        self.writer.transport.abort()
