"""The long-poll door as a channel: `poll://HOST:PORT`. The first frame is the login, which opens the session.

Laws: frames leave in the order in which they were sent, at most 50 in a request, one request at a time. What a poll
brought is acknowledged by the next one.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from typing import Any
from urllib.parse import quote, urlsplit

import msgspec
from msgspec import Raw

from hongyan.channel import NO_CODE, ChannelClosed
from hongyan.http import HttpClient, Response
from hongyan.wire import BUSY, LOGIN_REFUSED

MAX_FRAMES = 50
MAX_BYTES = 256 * 1024
CLOSE_S = 2.0
NO_ANSWER = "what came is no answer of a gateway"
OK, BAD_REQUEST, SUPERSEDED, GONE, UNAVAILABLE = 200, 400, 409, 410, 503


class _Batch(msgspec.Struct):
    frames: list[Raw]
    cursor: int = 0


_read_batch = msgspec.json.Decoder(_Batch).decode


class PollChannel:
    """See channel.Channel."""

    def __init__(self, http: HttpClient) -> None:
        self.close_code = NO_CODE
        self.close_reason = ""
        self.session = ""
        self._http = http
        self._outgoing: asyncio.Queue[bytes] = asyncio.Queue()
        self._incoming: asyncio.Queue[str | None] = asyncio.Queue()
        self._left: bytes | None = None  # taken from `_outgoing`, for the next request
        self._is_quiet = asyncio.Event()  # nothing is on its way up
        self._is_quiet.set()
        self._is_closed = False
        self._tasks = [asyncio.create_task(self._write())]

    def __repr__(self) -> str:
        state = "closed" if self._is_closed else "open" if self.session else "not logged in"
        return f"PollChannel({state}, {self._outgoing.qsize()} to send)"

    @classmethod
    async def open(cls, url: str, timeout_s: float) -> PollChannel:
        """Nothing is sent yet: the login connects."""
        parts = urlsplit(url)
        return cls(HttpClient(parts.hostname or "", parts.port or 80, timeout_s))

    async def send(self, text: str | bytes) -> None:
        if self._is_closed:
            raise ChannelClosed
        self._is_quiet.clear()
        self._outgoing.put_nowait(text.encode() if isinstance(text, str) else text)

    async def receive(self) -> str:
        text = await self._incoming.get()
        if text is None:
            self._incoming.put_nowait(None)
            raise ChannelClosed
        return text

    async def close(self) -> None:
        was_open = bool(self.session) and not self._is_closed
        self.abort()
        await asyncio.wait(self._tasks)
        if was_open:
            with contextlib.suppress(OSError, TimeoutError):
                async with asyncio.timeout(CLOSE_S):
                    await self._http.request("POST", f"/poll/close?session={quote(self.session)}", b"")
        await self._http.close()

    def abort(self) -> None:
        for task in self._tasks:
            task.cancel()
        self._finish(NO_CODE, "")

    def _finish(self, code: int, reason: str) -> None:
        if not self._is_closed:
            self._is_closed = True
            self.close_code, self.close_reason = code, reason
            self._incoming.put_nowait(None)

    # --- up

    async def _write(self) -> None:
        try:
            while not self._is_closed:
                frames = await self._next_frames()
                if self.session:
                    await self._post(frames)
                else:
                    await self._log_in(frames[0])
                if self._left is None and self._outgoing.empty():
                    self._is_quiet.set()
        except OSError as error:
            self._finish(NO_CODE, str(error))
        except (ValueError, LookupError, TypeError):
            self._finish(NO_CODE, NO_ANSWER)

    async def _next_frames(self) -> list[bytes]:
        """What waits, as far as it fits one request; what is no object goes alone, for the server to say so."""
        first, self._left = self._left if self._left is not None else await self._outgoing.get(), None
        frames, size = [first], len(first)
        while self.session and _is_object(frames[-1]) and len(frames) < MAX_FRAMES and not self._outgoing.empty():
            frame = self._outgoing.get_nowait()
            size += len(frame)
            if size > MAX_BYTES or not _is_object(frame):
                self._left = frame
                break
            frames.append(frame)
        return frames

    async def _log_in(self, frame: bytes) -> None:
        asked = json.loads(frame)
        answer = await self._http.request("POST", "/poll/open", json.dumps(asked["data"]).encode())
        value = json.loads(answer.body)
        about = {"id": asked["id"]} if "id" in asked else {}
        if answer.status == OK:
            self.session = value["session"]
            self._hand_on({"op": "reply", **about, "data": value["data"]})
            self._tasks.append(asyncio.create_task(self._read(value["cursor"])))
            return
        self._hand_on({"op": "error", **about, "data": value["error"]})
        if answer.status != BAD_REQUEST:
            error = value["error"]
            code = BUSY if error["retry"] or answer.status >= UNAVAILABLE else LOGIN_REFUSED
            self._finish(error.get("close", code), error.get("reason", error["code"]))

    async def _post(self, frames: list[bytes]) -> None:
        body = frames[0] if len(frames) == 1 else b"[" + b",".join(frames) + b"]"
        answer = await self._http.request("POST", f"/poll/send?session={quote(self.session)}", body)
        if answer.status == OK:
            self._hand_on_all(_read_batch(answer.body).frames)
        elif answer.status != GONE:
            self._hand_on({"op": "error", "data": json.loads(answer.body)["error"]})
        # A session that is gone says why to the poll, after all that was put before.

    # --- down

    async def _read(self, cursor: int) -> None:
        try:
            while True:
                answer = await self._http.request("GET", f"/poll/recv?session={quote(self.session)}&cursor={cursor}")
                if answer.status != OK:
                    break
                batch = _read_batch(answer.body)
                self._hand_on_all(batch.frames)
                cursor = batch.cursor
            await self._is_quiet.wait()
            self._finish(*_ending(answer))
        except OSError as error:
            self._finish(NO_CODE, str(error))
        except ValueError:
            self._finish(NO_CODE, NO_ANSWER)

    def _hand_on(self, frame: dict[str, Any]) -> None:
        self._incoming.put_nowait(json.dumps(frame))

    def _hand_on_all(self, frames: list[Raw]) -> None:
        for frame in frames:
            self._incoming.put_nowait(bytes(frame).decode())


def _is_object(frame: bytes) -> bool:
    try:
        return isinstance(json.loads(frame), dict)
    except (ValueError, RecursionError):
        return False


def _ending(answer: Response) -> tuple[int, str]:
    """(close code, reason) of what ended the polls."""
    try:
        error = json.loads(answer.body)["error"]
    except (ValueError, LookupError):
        return NO_CODE, f"HTTP {answer.status}"
    return error.get("close", NO_CODE), error.get("reason", error["code"])
