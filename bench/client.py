"""A fast WebSocket client of ours: picows underneath, frames built and read by position.

Law: the usual frames are read without a JSON parser, so that the generator is not the limit; whatever looks different
is parsed in full, so a change of form costs speed and never an answer.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec
from picows import WSFrame, WSListener, WSMsgType, WSTransport, ws_connect

TEXT = WSMsgType.TEXT
REPLY = b'{"op":"reply","id":"'
MESSAGE = b'{"op":"message","data":{'
LOGIN = '{"op":"login","id":"0","data":{"token":"%s","terminal":"web","device":"bench","client":"bench/1.0"}}'
LOGIN_S = 30.0
CLOSE_S = 10.0
_AFTER_REPLY = len(REPLY)


class NotOpened(Exception):
    """A connection was refused or ended before its login was answered; the message says how."""


class Client(WSListener):
    """One connection. Every request's id is a number; the login's is 0. `tag` begins the cids of this run."""

    def __init__(self, tag: str = "") -> None:
        self.transport: WSTransport = None  # type: ignore[assignment]  # set before anything else happens
        self.opened: asyncio.Future[None] | None = None
        self.errors: Counter[str] = Counter()
        self._cid = b'"cid":"' + tag.encode()

    def on_ws_connected(self, transport: WSTransport) -> None:
        self.transport = transport

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        self._refused("the connection ended before the login was answered")

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        if payload.startswith(REPLY):
            end = payload.index(b'"', _AFTER_REPLY)
            number = int(payload[_AFTER_REPLY:end])
            if number:
                at = payload.index(b'"seq":', end) + 6
                self.on_ack(number, int(payload[at : payload.index(b",", at)]))
            else:
                self._accepted()
        elif payload.startswith(MESSAGE):
            at = payload.index(b'"seq":') + 6
            cid = payload.find(self._cid, at) + len(self._cid)
            self.on_push(int(payload[cid : payload.index(b'"', cid)]), int(payload[at : payload.index(b",", at)]))
        elif frame.msg_type is TEXT:
            self._read(msgspec.json.decode(payload))

    def on_ack(self, number: int, seq: int) -> None:
        """The answer to send `number`: its seq."""

    def on_push(self, number: int, seq: int) -> None:
        """The peer's message `number`."""

    def on_error(self, number: int, code: str) -> None:
        """Request `number` was refused."""
        self.errors[code] += 1

    def on_other(self, op: str, data: dict[str, Any]) -> None:
        """Any other push."""
        self.errors[f"push {op}"] += 1

    def _read(self, frame: dict[str, Any]) -> None:
        op, data, number = frame.get("op"), frame.get("data", {}), int(frame.get("id", 0))
        if op == "reply" and number:
            self.on_ack(number, data["seq"])
        elif op == "message":
            self.on_push(int(data["cid"].encode().removeprefix(self._cid[7:])), data["seq"])
        elif op == "error" and number:
            self.on_error(number, data["code"])
        elif op == "error":
            self._refused(str(data))
        elif op == "reply":
            self._accepted()
        else:
            self.on_other(str(op), data)

    def _accepted(self) -> None:
        if self.opened is not None and not self.opened.done():
            self.opened.set_result(None)

    def _refused(self, why: str) -> None:
        if self.opened is not None and not self.opened.done():
            self.opened.set_exception(NotOpened(why))


async def connect(url: str, client: WSListener, within_s: float = LOGIN_S) -> None:
    """Open a WebSocket for the client; nothing is sent yet."""
    await ws_connect(lambda: client, url, proxy=None, websocket_handshake_timeout=within_s, read_buffer_init_size=4096)


async def log_in(
    url: str, token: str, client: Client, within_s: float = LOGIN_S, connect_s: float | None = None
) -> None:
    """Connect and log in, each within so long. Raises NotOpened, OSError, TimeoutError, WSError."""
    await connect(url, client, within_s if connect_s is None else connect_s)
    client.opened = asyncio.get_running_loop().create_future()
    client.transport.send(TEXT, (LOGIN % token).encode())
    async with asyncio.timeout(within_s):  # asyncio.wait_for may swallow a cancellation (Python issue 86296)
        await client.opened


async def close_all(clients: Sequence[Client]) -> None:
    """Close in order; who does not follow in time is cut off."""
    for client in clients:
        client.transport.send_close()
    ends = [asyncio.ensure_future(client.transport.wait_disconnected()) for client in clients]
    await asyncio.wait(ends, timeout=CLOSE_S)
    for client in clients:
        client.transport.disconnect(False)
