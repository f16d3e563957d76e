"""A user in one group who stays connected and in step, by the rules of protocol.md section 5; and one who writes there.

Laws: what a device has is kept by the very rules of chat.sh (sdk/python/hongyan/state.py). What was not acknowledged is
sent again under its cid after each sync. Who loses a connection comes again after a random pause, which may be twice as
long after each try that fails.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from hongyan.connection import ANSWER_S, retry_pause
from hongyan.state import Conversations, Event, Gap
from picows import WSError, WSFrame, WSMsgType, WSTransport

from bench.client import REPLY, TEXT, Client, NotOpened, log_in

LONGEST_S = 30.0
CONNECT_S = 30.0  # newcomers are kept waiting outside (gateway/doors/listener.py); browsers wait for longer than this
NEXT_S = 0.1
SYNC = -1
SYNCED = REPLY + b'%d"' % SYNC
WORDS = "the wild goose carries a letter."


class Refused(Exception):
    """A sync was refused; the message is the code."""


class Line(Client):
    """One connection of a member."""

    def __init__(self, member: Member) -> None:
        super().__init__()
        self._member = member
        self._synced: asyncio.Future[dict[str, Any]] | None = None
        self.ended = asyncio.Event()

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        super().on_ws_disconnected(transport)
        self._answer(ConnectionError("the connection ended before the sync was answered"))
        self.ended.set()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        payload = frame.get_payload_as_memoryview()
        if frame.msg_type is WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()
        elif payload[: len(SYNCED)] == SYNCED:
            self._answer(msgspec.json.decode(payload)["data"])
        elif payload[:14] == b'{"op":"message':
            self._member.pushed(msgspec.json.decode(payload)["data"])
        else:
            super().on_ws_frame(transport, frame)

    def on_ack(self, number: int, seq: int) -> None:
        self._member.acknowledged(number, seq)

    def on_error(self, number: int, code: str) -> None:
        if number == SYNC:
            self._answer(Refused(code))
        else:
            self._member.refused(number, code)

    async def sync(self, data: dict[str, Any]) -> dict[str, Any]:
        """Raises Refused, OSError, TimeoutError."""
        self._synced = asyncio.get_running_loop().create_future()
        self.transport.send(TEXT, msgspec.json.encode({"op": "sync", "id": str(SYNC), "data": data}))
        async with asyncio.timeout(ANSWER_S):
            return await self._synced

    def _answer(self, answer: dict[str, Any] | Exception) -> None:
        synced = self._synced
        if synced is None or synced.done():
            return
        if isinstance(answer, Exception):
            synced.set_exception(answer)
        else:
            synced.set_result(answer)


class Member:
    """`first` is the place in `urls` of the gateway to begin with; who loses it waits for up to `jitter_s`. `in_step`:
    it has all that there was; `is_back` and `back_at` say when that was so again. `missed` were brought by syncs; so
    often it was `told` to come again later."""

    def __init__(self, urls: Sequence[str], first: int, token: str, group: str, tag: str, jitter_s: float) -> None:
        self._jitter_s = jitter_s
        self._urls = itertools.cycle([*urls[first:], *urls[:first]])
        self._token = token
        self._state = Conversations()
        self._line: Line | None = None
        self._is_wanted = False
        self._wake = asyncio.Event()
        self.group, self.tag = f"g:{group}", tag
        self._state.learn([{"conversation": self.group, "read_seq": 0}])
        self.url = ""
        self.failures: Counter[str] = Counter()
        self.syncs = self.missed = 0
        self.in_step, self.is_back = asyncio.Event(), asyncio.Event()
        self.back_at = 0.0

    def __repr__(self) -> str:
        return f"Member({self.group}, {self.url}, {self._state}, {sum(self.failures.values())} failures)"

    @property
    def last(self) -> int:
        """The seq up to which it has everything."""
        return self._state.last(self.group)

    async def stay(self) -> None:
        """Connected, until cancelled."""
        tries = 0
        self.url = next(self._urls)
        while True:
            line = Line(self)
            try:
                await log_in(self.url, self._token, line, ANSWER_S, CONNECT_S)
                tries = 0
                await self._attend(line)
            except ConnectionRefusedError:  # this gateway is dead: the next one
                self.url = next(self._urls)
                await asyncio.sleep(random.uniform(0, NEXT_S))
                continue
            except (NotOpened, OSError, Refused, TimeoutError, WSError) as error:
                self.failures[_word(error)] += 1
            finally:
                self._line = None
                self.in_step.clear()
                if line.transport is not None:
                    line.transport.disconnect(False)
            await asyncio.sleep(random.uniform(0, min(self._jitter_s * 2.0**tries, LONGEST_S)))
            self.url = next(self._urls)
            tries += 1

    async def _attend(self, line: Line) -> None:
        """In step, and again after each gap, until the connection ends."""
        ending = asyncio.create_task(line.ended.wait())
        self._line = line
        self._distrust()
        try:
            while not line.ended.is_set():
                if self._is_wanted:
                    self._is_wanted = False
                    await self._sync(line)
                self._wake.clear()
                waking = asyncio.create_task(self._wake.wait())
                await asyncio.wait({ending, waking}, return_when=asyncio.FIRST_COMPLETED)
                waking.cancel()
        finally:
            ending.cancel()

    async def _sync(self, line: Line) -> None:
        [request] = self._state.requests()
        reply = await line.sync(request)
        self.syncs += 1
        if reply["more"] or "next" in reply:
            raise Refused("one sync did not bring all")
        before = self.last
        self._handle(self._state.synced(request, reply))
        self.missed += self.last - before
        self._handle(self._state.settle())
        if not self._is_wanted:
            self.back_at = time.perf_counter()
            self.in_step.set()
            self.is_back.set()
            self.resend(line)

    def resend(self, line: Line) -> None:
        """Send again what has no answer: one who does not write has none."""

    def pushed(self, message: dict[str, Any]) -> None:
        self._handle(self._state.receive(message))

    def acknowledged(self, number: int, seq: int) -> None:
        """The answer to message `number`."""

    def refused(self, number: int, code: str) -> None:
        self.failures[f"send {code}"] += 1

    def _handle(self, events: Iterable[Event]) -> None:
        if any(isinstance(event, Gap) for event in events):
            self._distrust()

    def _distrust(self) -> None:
        self._state.distrust()
        self._is_wanted = True
        self._wake.set()


class Speaker(Member):
    """Writes one message at a time, and again until it is acknowledged. `took` is how long each waited, in s."""

    def __init__(self, urls: Sequence[str], first: int, token: str, group: str, tag: str, jitter_s: float) -> None:
        super().__init__(urls, first, token, group, tag, jitter_s)
        self._number = 0
        self._due = 0.0
        self.is_answered = True
        self.took: list[float] = []

    def say(self, due: float) -> None:
        """Write the next message, which was due then, unless one is under way."""
        if self.is_answered:
            self._number += 1
            self._due, self.is_answered = due, False
            if self._line is not None and self.in_step.is_set():
                self.resend(self._line)

    def resend(self, line: Line) -> None:
        if not self.is_answered:
            data = {"conversation": self.group, "cid": self._cid(), "type": "text", "body": {"text": WORDS}}
            line.transport.send(
                TEXT, msgspec.json.encode({"op": "message.send", "id": str(self._number), "data": data})
            )

    def acknowledged(self, number: int, seq: int) -> None:
        if number == self._number and not self.is_answered:
            self.is_answered = True
            self.took.append(time.perf_counter() - self._due)
            self.pushed({"conversation": self.group, "seq": seq, "cid": self._cid()})

    def refused(self, number: int, code: str) -> None:
        super().refused(number, code)
        asyncio.get_running_loop().call_later(retry_pause(0), self._say_again)

    def _say_again(self) -> None:
        if self._line is not None and self.in_step.is_set():
            self.resend(self._line)

    def _cid(self) -> str:
        return f"{self.tag}{self.group}-{self._number}"


def _word(error: Exception) -> str:
    """What kind of failure it was, in a few words."""
    return f"{type(error).__name__}: {error}"[:80]
