"""One connection to a gateway by any door, from its login until it is lost (protocol.md sections 2 and 3).

Laws: frames leave in the order in which they were asked for; answers and pushes are handed on one by one in the order
in which they came, and never awaited. A heartbeat that nothing follows for 15 s ends the connection.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import time
from collections.abc import Callable
from typing import Any

from hongyan.channel import NO_CODE, Channel, ChannelClosed, TurnedAway
from hongyan.doors import open_channel
from hongyan.wire import BUSY, STOP

ANSWER_S = 6.0  # the server answers within 5 s, or the connection is bad
SILENCE_S = 15.0
FIRST_RETRY_S = 0.1
LAST_RETRY_S = 2.0

Frame = dict[str, Any]
OnFrame = Callable[[Frame], None]

_names = itertools.count(1)


def retry_pause(tries: int, retry_after_s: float = 0) -> float:
    """Seconds: longer with each try, with jitter, so that a thousand clients do not come back together; at least what
    a `rate_limited` asks for."""
    return retry_after_s + random.uniform(0.5, 1.0) * min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(tries, 10))


def _read_frame(text: str) -> Frame | None:
    """None: this is no frame, so whoever sent it is no gateway."""
    try:
        frame = json.loads(text)
    except ValueError:
        return None
    return frame if isinstance(frame, dict) and "op" in frame else None


class Refused(Exception):
    """An error frame: `code` of protocol.md section 4; `retry` says whether the same may succeed later."""

    def __init__(self, error: dict[str, Any]) -> None:
        super().__init__(f"{error['code']}: {error['message']}")
        self.code: str = error["code"]
        self.retry: bool = error["retry"]
        self.error = error


class Lost(Exception):
    """The connection is gone; `is_final` where the gateway said not to come back."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code} {reason}".strip())
        self.code, self.reason = code, reason

    @property
    def is_final(self) -> bool:
        return self.code in STOP


class Connection:
    """A connection that is logged in. `on_push` gets every frame that answers nothing; it must not raise."""

    def __init__(self, channel: Channel, on_push: OnFrame) -> None:
        self.name = f"c{next(_names)}"
        self.login: dict[str, Any] = {}
        self._channel = channel
        self._on_push = on_push
        self._asked: dict[str, OnFrame] = {}
        self._ids = itertools.count(1)
        self._outgoing: asyncio.Queue[str] = asyncio.Queue()
        self._heard_at = time.monotonic()
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._write())]

    def __repr__(self) -> str:
        return f"Connection({self.name}, {len(self._asked)} unanswered, {self._channel})"

    @classmethod
    async def open(cls, url: str, login: dict[str, Any], on_push: OnFrame) -> Connection:
        """Connect and log in. Raises Lost: nobody there, or the login was refused."""
        try:
            channel = await open_channel(url)
        except TurnedAway as refusal:
            raise Lost(BUSY, str(refusal)) from None
        except (OSError, TimeoutError) as error:
            raise Lost(NO_CODE, str(error)) from None
        connection = cls(channel, on_push)
        try:
            connection.login = await connection.call("login", login)
        except Refused as refused:
            closed = await connection.lost()
            raise Lost(closed.code, str(refused)) from None
        except BaseException:
            await connection.close()
            raise
        connection._tasks.append(asyncio.create_task(connection._beat(connection.login["heartbeat"])))
        return connection

    def ask(self, op: str, data: dict[str, Any], answered: OnFrame) -> None:
        """Send a request; `answered` gets its reply or error frame, in turn with everything else that comes."""
        frame_id = str(next(self._ids))
        self._asked[frame_id] = answered
        self._outgoing.put_nowait(json.dumps({"op": op, "id": frame_id, "data": data}))

    async def call(self, op: str, data: dict[str, Any]) -> dict[str, Any]:
        """The reply's data. Raises Refused; Lost, also where no answer comes."""
        answer: asyncio.Future[Frame] = asyncio.get_running_loop().create_future()
        self.ask(op, data, lambda frame: None if answer.done() else answer.set_result(frame))
        ends: set[asyncio.Future[Any]] = {answer, self._tasks[0]}
        await asyncio.wait(ends, timeout=ANSWER_S, return_when=asyncio.FIRST_COMPLETED)
        if not answer.done():
            await self.close()
            raise self._ending()
        frame = answer.result()
        if frame["op"] == "error":
            raise Refused(frame["data"])
        return dict(frame["data"])

    async def lost(self) -> Lost:
        """Wait until it is gone, and say why."""
        await asyncio.wait({self._tasks[0]})
        await self.close()
        return self._ending()

    async def close(self) -> None:
        """End it from our side. May be called again."""
        for task in self._tasks[1:]:
            task.cancel()
        await self._channel.close()
        await asyncio.wait(self._tasks)

    def _ending(self) -> Lost:
        return Lost(self._channel.close_code, self._channel.close_reason)

    async def _read(self) -> None:
        try:
            while True:
                frame = _read_frame(await self._channel.receive())
                if frame is None:
                    self._channel.abort()
                    return
                self._heard_at = time.monotonic()
                (self._asked.pop(frame.get("id", ""), None) or self._on_push)(frame)
        except ChannelClosed:
            return

    async def _write(self) -> None:
        try:
            while True:
                await self._channel.send(await self._outgoing.get())
        except ChannelClosed:
            return

    async def _beat(self, every_s: float) -> None:
        while True:
            await asyncio.sleep(every_s)
            self._outgoing.put_nowait('{"op":"heartbeat"}')
            asyncio.get_running_loop().call_later(SILENCE_S, self._end_if_silent, time.monotonic())

    def _end_if_silent(self, since: float) -> None:
        if self._heard_at < since:
            self._channel.abort()
