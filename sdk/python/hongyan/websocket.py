"""The WebSocket door as a channel: `ws://HOST:PORT/ws`."""

from __future__ import annotations

from typing import Any

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus, WebSocketException

from hongyan.channel import NO_CODE, ChannelClosed, TurnedAway
from hongyan.wire import MAX_SERVER_FRAME_BYTES

CLOSE_S = 2.0
TOO_MANY, UNAVAILABLE = 429, 503


class WebSocketChannel:
    """See channel.Channel."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket

    def __repr__(self) -> str:
        return f"WebSocketChannel({self.socket.state.name})"

    @classmethod
    async def open(cls, url: str, timeout_s: float, **options: Any) -> WebSocketChannel:
        """Raises OSError, TimeoutError."""
        settings: dict[str, Any] = {
            "compression": None,
            "ping_interval": None,
            "proxy": None,
            "open_timeout": timeout_s,
            "close_timeout": CLOSE_S,
            "max_size": 2 * MAX_SERVER_FRAME_BYTES,
        }
        try:
            return cls(await connect(url, **{**settings, **options}))
        except InvalidStatus as refused:
            is_for_now = refused.response.status_code in (TOO_MANY, UNAVAILABLE)
            raise (TurnedAway if is_for_now else ConnectionError)(str(refused)) from refused
        except WebSocketException as refused:
            raise ConnectionError(str(refused)) from refused

    @property
    def close_code(self) -> int:
        return self.socket.close_code or NO_CODE

    @property
    def close_reason(self) -> str:
        return self.socket.close_reason or ""

    async def send(self, text: str | bytes) -> None:
        try:
            await self.socket.send(text)
        except ConnectionClosed:
            raise ChannelClosed from None

    async def receive(self) -> str:
        try:
            return str(await self.socket.recv())
        except ConnectionClosed:
            raise ChannelClosed from None

    async def close(self) -> None:
        await self.socket.close()

    def abort(self) -> None:
        self.socket.transport.abort()
