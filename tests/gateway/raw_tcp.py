"""A connection of the TCP door that sends the bytes it is given, read with the same words as a raw WebSocket."""

from __future__ import annotations

import asyncio
import json
from typing import Any, Self

from tests.gateway.raw_websocket import CLOSE, TEXT, RawSocket, connected
from tests.gateway.site import WAIT_S, Site


class RawTcp(RawSocket):
    """`async with await RawTcp.open(site) as raw`."""

    @staticmethod
    def framed(payload: bytes) -> bytes:
        return len(payload).to_bytes(4, "big") + payload

    @classmethod
    async def open(cls, site: Site, user: str = "", *, is_narrow: bool = False) -> Self:
        return await cls(*await connected(site.tcp_port, is_narrow=is_narrow)).enter(site, user)

    async def next(self) -> tuple[int, bytes]:
        """As a WebSocket would have it: the last frame is a close."""
        async with asyncio.timeout(WAIT_S):
            size = int.from_bytes(await self._reader.readexactly(4), "big")
            payload = await self._reader.readexactly(size)
        frame: dict[str, Any] = json.loads(payload)
        if frame["op"] == "close":
            return CLOSE, int(frame["data"]["code"]).to_bytes(2, "big")
        return TEXT, payload
