"""One sender in a group of thousands, a few messages in flight: how many deliveries a second. And the same for bare
Tornado, whose room writes each message to everyone in a loop of `write_message`.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec
from picows import WSFrame, WSTransport

from bench.client import TEXT, Client, close_all, connect, log_in
from bench.loads.crowd import enter
from bench.loads.marks import Marks
from bench.loads.sweep import Sweep

DRAIN_S = 10.0
TOGETHER = 96
WORDS = "the wild goose carries a letter."
# What a room of bare Tornado gets: as long as a push of the group's message.
PUSH = (
    b'{"op":"message","data":{"conversation":"g:%s","seq":%d,"cid":"00000000-1000","sender":"u0","type":"text",'
    b'"body":{"text":"' + WORDS.encode() + b'"},"time":1767225600000}}'
)


class GroupJob(msgspec.Struct, tag="group"):
    """`group` is empty for the room at `url`, which needs no login but as many connections as there are tokens. The
    first token is the sender's. `tag` is new in every run."""

    url: str
    group: str
    tokens: list[str]
    tag: str
    in_flight: int
    warm_up_s: float
    seconds: float


class Speaker(Client):
    """The one who sends, in a group: the next message leaves when an answer came."""

    def __init__(self, group: str, tag: str) -> None:
        super().__init__(tag)
        self._group, self._tag = group, tag
        self.sent = self.answered = 0
        self.is_sending = True

    def send_next(self) -> None:
        self.sent = number = self.sent + 1
        data = f'"conversation":"g:{self._group}","cid":"{self._tag}{number}","type":"text","body":{{"text":"{WORDS}"}}'
        self.transport.send(TEXT, f'{{"op":"message.send","id":"{number}","data":{{{data}}}}}'.encode())

    def on_ack(self, number: int, seq: int) -> None:
        self.answered += 1
        if self.is_sending:
            self.send_next()

    def on_error(self, number: int, code: str) -> None:
        super().on_error(number, code)
        self.on_ack(number, 0)


class RoomSpeaker(Speaker):
    """The one who sends, in a room: what comes back is the answer."""

    def send_next(self) -> None:
        self.sent += 1
        self.transport.send(TEXT, PUSH % (b"room", self.sent))

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        self.on_ack(0, 0)


async def _assemble(job: GroupJob) -> tuple[Speaker, list[Client]]:
    """The speaker and its listeners, all there."""
    if job.group:
        speaker = Speaker(job.group, job.tag)
        await log_in(job.url, job.tokens[0], speaker)
        return speaker, (await enter(job.url, job.tokens[1:], TOGETHER))[0]
    speaker = RoomSpeaker("", "")
    await connect(job.url, speaker)
    listeners = [Client() for _ in job.tokens[1:]]
    for listener in listeners:
        await connect(job.url, listener)
    return speaker, listeners


async def run(job: GroupJob, marks: Marks) -> dict[str, Any]:
    """{"rate": deliveries per s, "messages_per_s", "violations", "errors"}"""
    speaker, listeners = await _assemble(job)
    sweep = Sweep(listener.transport for listener in listeners)
    working = asyncio.create_task(sweep.work())
    for _ in range(job.in_flight):
        speaker.send_next()
    await asyncio.sleep(job.warm_up_s)
    sweep.look()
    marks.begin()
    frames, answered = sweep.frames, speaker.answered
    await asyncio.sleep(job.seconds)
    sweep.look()
    frames, answered = sweep.frames - frames, speaker.answered - answered
    seconds = marks.end()
    violations = await _finish(speaker, sweep, len(listeners))
    working.cancel()
    await close_all([speaker])
    found = {"rate": frames / seconds, "messages_per_s": answered / seconds}
    return found | {"violations": violations, "errors": dict(speaker.errors)}


async def _finish(speaker: Speaker, sweep: Sweep, listeners: int) -> dict[str, int]:
    """Wait for what is under way; then everyone must have got every message, once, in order."""
    speaker.is_sending = False
    until = time.perf_counter() + DRAIN_S
    while time.perf_counter() < until:
        due = (speaker.answered - sum(speaker.errors.values())) * listeners
        if speaker.answered == speaker.sent and sweep.frames >= due:
            break
        await asyncio.sleep(0.02)
    due = (speaker.answered - sum(speaker.errors.values())) * listeners
    found = {"out of order": sweep.disorders, "strangers": sweep.strangers, "missing": due - sweep.frames}
    return {what: count for what, count in found.items() if count}
