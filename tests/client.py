"""Clients for tests: one that behaves as protocol.md section 5 says and records what it saw, and a bare socket."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from hongyan.channel import Channel, ChannelClosed
from hongyan.connection import Frame, Lost
from hongyan.device import Device, Observer, Reason
from hongyan.doors import open_channel
from hongyan.state import Message
from hongyan.websocket import WebSocketChannel

from tests.faults.history import Acked, Applied, Began, Disturbed, Event, Received, Refused, Sent, Synced

WAIT_S = 10.0

_devices = itertools.count(1)


def body_hash(body: dict[str, Any]) -> str:
    """Names a body, however its JSON is written."""
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


class Recorder(Observer):
    """What one device did and saw, in the form that the oracle judges. `events` may be shared by many."""

    def __init__(self, user: str, device: str, events: list[Event]) -> None:
        self.user, self.device, self.events = user, device, events
        self.timelines: defaultdict[str, list[Message]] = defaultdict(list)
        self.pushes: list[Frame] = []
        self.after: dict[str, int] = {}  # {conversation: the seq behind which its timeline begins}
        self.restores = 0
        self.logins = 0
        self.lost_at: float | None = None
        self.longest_away_s = 0.0
        self.losses: list[int] = []
        self.changed = asyncio.Event()

    def _record(self, *events: Event) -> None:
        self.events.extend(events)
        self.changed.set()

    def connected(self, login: dict[str, Any]) -> None:
        self.logins += 1
        if self.lost_at is not None:
            self.longest_away_s = max(self.longest_away_s, time.monotonic() - self.lost_at)
            self.lost_at = None
        self.changed.set()

    def started(self, conversation: str, after: int) -> None:
        self.after[conversation] = after
        self._record(Began(self.device, conversation, after))

    def received(self, message: Message) -> None:
        self._record(Received(self.device, message["conversation"], message["seq"]))

    def applied(self, message: Message) -> None:
        conversation = message["conversation"]
        self.timelines[conversation].append(message)
        seq, cid = message["seq"], message["cid"]
        self._record(Applied(self.device, conversation, seq, cid, body_hash(message["body"])))

    def restored(self) -> None:
        self.timelines.clear()
        self.after.clear()
        self.restores += 1
        self.changed.set()

    def pushed(self, frame: Frame) -> None:
        self.pushes.append(frame)
        self.changed.set()

    def sent(self, data: dict[str, Any], connection: str) -> None:
        hashed = body_hash(data["body"])
        self._record(Sent(self.user, data["cid"], data["conversation"], hashed, self.device, connection))

    def acked(self, data: dict[str, Any], reply: dict[str, Any]) -> None:
        place = (reply["conversation"], reply["seq"], reply["time"], reply["duplicate"])
        self._record(Acked(self.user, data["cid"], *place))

    def refused(self, data: dict[str, Any], code: str) -> None:
        self._record(Refused(self.user, data["cid"], code))

    def disturbed(self, reason: Reason) -> None:
        self._record(Disturbed(self.device, reason))

    def synced(self, reason: Reason) -> None:
        self._record(Synced(self.device, reason))

    def lost(self, lost: Lost) -> None:
        self.losses.append(lost.code)
        if self.lost_at is None:
            self.lost_at = time.monotonic()
        self.changed.set()


class Client:
    """A device that runs: `async with Client(urls, user, token) as client`. It is in step when the block begins."""

    def __init__(
        self,
        urls: Sequence[str] | str,
        user: str,
        token: str,
        events: list[Event] | None = None,
        terminal: str = "web",
        recorder: type[Recorder] = Recorder,
    ) -> None:
        self.device = f"{user}-d{next(_devices)}"
        self.seen = recorder(user, self.device, [] if events is None else events)
        self._login = {"token": token, "terminal": terminal, "device": self.device}
        self._device = Device([urls] if isinstance(urls, str) else urls, self._login, self.seen)
        self.task: asyncio.Task[Lost] | None = None
        self.call = self._device.call
        self.send = self._device.send

    def __repr__(self) -> str:
        return f"Client({self.device}, {self._device})"

    async def __aenter__(self) -> Self:
        self.start()
        await self.in_step()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.stop()

    def use(self, token: str) -> None:
        """Log in with this token from now on."""
        self._login["token"] = token

    def start(self) -> None:
        """Connect, and stay connected."""
        self.task = asyncio.create_task(self._device.run())

    async def stop(self) -> None:
        """Go offline."""
        if self.task is not None:
            self.task.cancel()
            await asyncio.wait({self.task})

    async def arrive(self) -> float:
        """Connect, log in and sync; how long that took (s)."""
        began = time.monotonic()
        self.start()
        await self.in_step()
        return time.monotonic() - began

    async def in_step(self, within_s: float = WAIT_S) -> None:
        """Until it is logged in and synced."""
        assert self.task is not None
        waiting = asyncio.create_task(self._device.in_step.wait())
        done, _ = await asyncio.wait({waiting, self.task}, timeout=within_s, return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        if self.task in done:
            raise AssertionError(f"{self} ended: {self.task.result()!r}")
        assert waiting in done, f"{self} is not in step after {within_s} s"

    async def say(self, conversation: str, text: str, **more: Any) -> dict[str, Any]:
        """Send a text; the reply's data."""
        return await self.send(conversation, {"text": text}, **more)

    async def until(self, condition: Callable[[], bool], within_s: float = WAIT_S) -> None:
        """Until something that was seen makes `condition` true."""
        try:
            async with asyncio.timeout(within_s):
                while not condition():
                    self.seen.changed.clear()
                    await self.seen.changed.wait()
        except TimeoutError:
            raise AssertionError(f"{self} waited {within_s} s; it has {self.seen.timelines}") from None

    async def texts(self, conversation: str, *expected: str) -> None:
        """Until the conversation holds exactly these texts, in this order; notices do not count."""
        await self.until(lambda: len(self.spoken(conversation)) >= len(expected))
        assert self.spoken(conversation) == list(expected)

    def spoken(self, conversation: str) -> list[str]:
        """The texts of the conversation so far."""
        return [m["body"]["text"] for m in self.seen.timelines[conversation] if m["type"] == "text"]

    @property
    def is_in_step(self) -> bool:
        """Whether it is connected and synced."""
        return self._device.in_step.is_set()

    def conversations(self) -> list[str]:
        """Those that the device knows its user to be in."""
        return self._device.state.names()

    def last(self, conversation: str) -> int:
        """The newest seq that the device has."""
        return self._device.state.last(conversation)

    def seqs(self, conversation: str) -> list[int]:
        return [message["seq"] for message in self.seen.timelines[conversation]]

    async def push(self, op: str, within_s: float = WAIT_S) -> Frame:
        """The next push of this op that is not a message; it is taken away."""
        await self.until(lambda: any(frame["op"] == op for frame in self.seen.pushes), within_s)
        frame = next(frame for frame in self.seen.pushes if frame["op"] == op)
        self.seen.pushes.remove(frame)
        return frame


class Socket:
    """A connection by any door that does only what it is told: for bytes that no client of ours would send."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._ids = itertools.count(1)
        self._answers: dict[str, Frame] = {}
        self.others: list[Frame] = []

    @classmethod
    async def open(cls, url: str, **options: Any) -> Self:
        """`options` are those of a WebSocket."""
        if not url.startswith("ws:"):
            return cls(await open_channel(url))
        # Without a limit of its own: what a test leaves unread must not hold up the close.
        options = {"max_size": 1024 * 1024, "max_queue": None, **options}
        return cls(await WebSocketChannel.open(url, WAIT_S, **options))

    @classmethod
    async def logged_in(cls, url: str, token: str, terminal: str = "web", device: str = "") -> Self:
        made = await cls.open(url)
        answer = await made.login(token, terminal, device)
        assert answer["op"] == "reply", answer
        return made

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self._channel.close()

    async def write(self, raw: str | bytes) -> None:
        await self._channel.send(raw)

    async def write_frame(self, op: str, data: Any = None, **more: Any) -> None:
        await self.write(json.dumps({"op": op, "data": {} if data is None else data, **more}))

    async def read(self, within_s: float = WAIT_S) -> Frame:
        """The next frame, whatever it is."""
        async with asyncio.timeout(within_s):
            frame: Frame = json.loads(await self._channel.receive())
        return frame

    async def read_text(self, within_s: float = WAIT_S) -> str:
        async with asyncio.timeout(within_s):
            return await self._channel.receive()

    async def answer(self, frame_id: str) -> Frame:
        """The frame that answers `frame_id`, whatever comes before it; pushes are kept in `others`."""
        while frame_id not in self._answers:
            frame = await self.read()
            if "id" in frame:
                self._answers[frame["id"]] = frame
            else:
                self.others.append(frame)
        return self._answers.pop(frame_id)

    async def ask(self, op: str, data: Any = None) -> Frame:
        """A request and its answer."""
        frame_id = f"q{next(self._ids)}"
        await self.write_frame(op, data, id=frame_id)
        return await self.answer(frame_id)

    async def login(self, token: str, terminal: str = "web", device: str = "") -> Frame:
        return await self.ask("login", {"token": token, "terminal": terminal, "device": device})

    async def closed(self, within_s: float = WAIT_S) -> tuple[int, list[Frame]]:
        """Until it is closed: the close code and the frames that came before."""
        frames: list[Frame] = []
        try:
            async with asyncio.timeout(within_s):
                while True:
                    frames.append(json.loads(await self._channel.receive()))
        except ChannelClosed:
            return self._channel.close_code, frames

    @property
    def close_reason(self) -> str:
        return self._channel.close_reason

    async def ping(self) -> None:
        """Of WebSockets only."""
        assert isinstance(self._channel, WebSocketChannel)
        async with asyncio.timeout(WAIT_S):
            await (await self._channel.socket.ping())
