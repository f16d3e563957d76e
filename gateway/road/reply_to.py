"""Where the answer to a command goes: to a connection, to an HTTP request, to a task of the gateway itself."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from protocol import codec
from protocol.errors import ImError


class ReplyTo(Protocol):
    """`op` is "reply" or "error", `data` its encoded data."""

    def answered(self, frame_id: str | None, op: str, data: bytes) -> None: ...


class FrameReplyTo(ReplyTo, Protocol):
    """A connection, or what stands for it at a door: also takes the frames that answer at once."""

    def reply(self, payload: bytes) -> None: ...


class Refused(Exception):
    """The answer is an error: `data` is the error frame's data, as it came."""

    def __init__(self, data: bytes) -> None:
        super().__init__("refused")
        self.data = data

    @property
    def error(self) -> dict[str, Any]:
        value: dict[str, Any] = codec.read(self.data.decode())
        return value


def refused(refusal: ImError) -> Refused:
    return Refused(codec.write(refusal.data()))


class PendingReply:
    """A ReplyTo to wait for: `await pending_reply.answer` gives the reply's data or raises Refused."""

    __slots__ = ("answer",)

    def __init__(self) -> None:
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def answered(self, frame_id: str | None, op: str, data: bytes) -> None:
        if self.answer.done():
            return
        if op == "reply":
            self.answer.set_result(data)
        else:
            self.answer.set_exception(Refused(data))
