"""The doors that a client may take, by the scheme of an address."""

from __future__ import annotations

from urllib.parse import urlsplit

from hongyan.channel import Channel
from hongyan.poll import PollChannel
from hongyan.tcp import TcpChannel
from hongyan.websocket import WebSocketChannel

DOORS = ("ws", "tcp", "poll")
CONNECT_S = 5.0


def address(door: str, host: str, port: int) -> str:
    """Of a door at its port; `host` is a name or an address, also of IPv6."""
    bracketed = f"[{host}]" if ":" in host else host
    return f"{door}://{bracketed}:{port}" + ("/ws" if door == "ws" else "")


async def open_channel(url: str) -> Channel:
    """Connect. Raises OSError, TimeoutError."""
    match urlsplit(url).scheme:
        case "tcp":
            return await TcpChannel.open(url, CONNECT_S)
        case "poll":
            return await PollChannel.open(url, CONNECT_S)
        case _:
            return await WebSocketChannel.open(url, CONNECT_S)
