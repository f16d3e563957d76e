"""The frames that `POST /poll/send` brings, and the answers that it takes back (protocol.md section 3, long-poll)."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import msgspec
from msgspec import Raw

from gateway.clients.connection import Connection
from protocol import codec
from protocol.errors import too_large
from protocol.frames import MAX_CLIENT_FRAME_BYTES, MAX_SERVER_FRAME_BYTES, bad_frame, write_frame

MAX_FRAMES = 50
MAX_BODY_BYTES = 1024 * 1024
ENVELOPE_BYTES = 64

_read_array = msgspec.json.Decoder(list[Raw]).decode


def split_frames(body: bytes) -> list[str]:
    """The text of each frame of a body: the elements of an array; any other body is one frame, right or wrong.

    Raises ImError too_large, bad_frame (not UTF-8).
    """
    if len(body) > MAX_BODY_BYTES:
        raise too_large("a body is at most 1 MiB")
    frames = _elements(body) if body.lstrip(b" \t\r\n").startswith(b"[") else [body]
    if len(frames) > MAX_FRAMES:
        raise too_large(f"at most {MAX_FRAMES} frames at once")
    if any(len(frame) > MAX_CLIENT_FRAME_BYTES for frame in frames):
        raise too_large("a frame is at most 64 KiB")
    try:
        return [frame.decode() for frame in frames]
    except UnicodeDecodeError:
        raise bad_frame("this is not UTF-8") from None


def _elements(body: bytes) -> list[bytes]:
    try:
        return [bytes(raw) for raw in _read_array(body)]
    except (msgspec.MsgspecError, RecursionError):
        return [body]  # the session says that it is no frame


class Answers:
    """The answers to the frames of one request, in the order of the frames. Await `complete`, then look at `refusal`
    and `body`."""

    def __init__(self, connection: Connection, count: int) -> None:
        self.connection = connection
        self.refusal: dict[str, Any] | None = None
        self._frames: list[bytes | None] = [None] * count
        self._unanswered = count
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def __repr__(self) -> str:
        return f"Answers({len(self._frames)} frames, {self._unanswered} unanswered)"

    def settle(self, place: int, frame: bytes | None) -> None:
        """The frame at `place`, which was on its way up, is answered by `frame`; None: its sender wants no answer."""
        self._frames[place] = frame
        self.expect_one_less()

    def expect_one_less(self) -> None:
        """One frame of the request needs no answer, or has it: `complete` does not wait for it any more."""
        self._unanswered -= 1
        if self._unanswered == 0 and not self._done.done():
            self._done.set_result(None)

    def take(self, place: int, payload: bytes) -> None:
        """A frame of ours that answers at once. It belongs to the answers if it has an id, and goes where pushes go if
        not. But where the request is a single frame, an error without an id refuses the request itself."""
        value = codec.read(payload.decode())
        if "id" in value:
            self._frames[place] = payload
        elif value["op"] == "error" and len(self._frames) == 1:
            self.refusal = value["data"]
        else:
            self.connection.reply(payload)

    async def complete(self) -> None:
        """Wait for every answer that is still expected. None takes longer than a command may."""
        if self._unanswered:
            await self._done

    def body(self) -> bytes:
        """`{"frames":[...]}`; answers beyond 128 KiB go where pushes go."""
        fitting: list[bytes] = []
        room = MAX_SERVER_FRAME_BYTES - ENVELOPE_BYTES
        for frame in self._there():
            room -= len(frame) + 1
            if room >= 0 or not fitting:
                fitting.append(frame)
            else:
                self.connection.reply(frame)
        return b'{"frames":[%b]}' % b",".join(fitting)

    def _there(self) -> Iterator[bytes]:
        return (frame for frame in self._frames if frame is not None)


class Slot:
    """Takes the answer to one frame (see gateway/road/reply_to.py)."""

    __slots__ = ("_answers", "_place")

    def __init__(self, answers: Answers, place: int) -> None:
        self._answers = answers
        self._place = place

    def answered(self, frame_id: str | None, op: str, data: bytes) -> None:
        self._answers.connection.settled()
        self._answers.settle(self._place, None if frame_id is None else write_frame(op, data, frame_id))

    def reply(self, payload: bytes) -> None:
        self._answers.take(self._place, payload)
