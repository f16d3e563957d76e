"""Private messages at a given rate beside a group whose messages are large; its members read, or they fall asleep.

One who sleeps reads nothing for a while, then everything until the gateway's close, comes back and falls asleep again:
an app that a phone suspends. It sleeps for longer than gateways of the bench let a client take nothing (`slow_s`). A
latency is that of the private messages, from the moment at which they were due.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from contextlib import suppress
from typing import Any, cast

import msgspec
from picows import WSFrame, WSMsgType, WSTransport

from bench.client import TEXT, Client, close_all, log_in
from bench.loads import steady
from bench.loads.marks import Marks
from bench.loads.steady import SteadyJob
from protocol.errors import Close

SEED = 20_260_102
SLEEP_S = 3.0
AWAKE_S = 0.1


class SlowJob(msgspec.Struct, tag="slow"):
    """`group`'s first token is the speaker's, who writes `rate` messages per s of `text_bytes`, whether anyone reads or
    `sleeps`."""

    steady: SteadyJob
    url: str
    group: str
    tokens: list[str]
    tag: str
    rate: float
    text_bytes: int
    sleeps: bool


class Listener(Client):
    """One connection of a member."""

    def __init__(self, tag: str) -> None:
        super().__init__(tag)
        self.ended = asyncio.Event()
        self.code = 0

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        super().on_ws_disconnected(transport)
        self.ended.set()

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type is WSMsgType.CLOSE:
            self.code = int(frame.get_close_code())
            transport.disconnect()
        else:
            super().on_ws_frame(transport, frame)


class Speaker(Client):
    """The one who writes."""

    answered = 0

    def on_ack(self, number: int, seq: int) -> None:
        self.answered += 1


async def _listen(job: SlowJob, token: str) -> None:
    """Until cancelled: read all that comes."""
    listener = Listener(job.tag)
    await log_in(job.url, token, listener)
    try:
        await listener.ended.wait()
        raise ConnectionError(f"a member that reads was sent away with {listener.code}")
    finally:
        listener.transport.disconnect(False)


async def _sleep_and_return(job: SlowJob, token: str, nap_s: float, codes: Counter[int]) -> None:
    """Until cancelled; `codes` counts how the gateway sent it away."""
    while True:
        listener = Listener(job.tag)
        await log_in(job.url, token, listener)
        socket = cast("asyncio.ReadTransport", listener.transport.underlying_transport)
        try:
            while not listener.ended.is_set():
                socket.pause_reading()
                await asyncio.sleep(nap_s)
                socket.resume_reading()
                with suppress(TimeoutError):
                    async with asyncio.timeout(AWAKE_S):
                        await listener.ended.wait()
            codes[listener.code] += 1
        finally:
            listener.transport.disconnect(False)


async def _speak(job: SlowJob, speaker: Speaker) -> None:
    """Until cancelled."""
    text = "x" * job.text_bytes
    due, number = time.perf_counter(), 0
    while True:
        due, number = due + 1 / job.rate, number + 1
        await asyncio.sleep(due - time.perf_counter())
        data = {"conversation": f"g:{job.group}", "cid": f"{job.tag}{number}", "type": "text", "body": {"text": text}}
        speaker.transport.send(TEXT, msgspec.json.encode({"op": "message.send", "id": str(number), "data": data}))


async def run(job: SlowJob, marks: Marks) -> dict[str, Any]:
    """What `steady` finds, and {"sent_away": how often members were for being slow, "large": messages to the group}"""
    codes: Counter[int] = Counter()
    naps = random.Random(SEED)
    speaker = Speaker(job.tag)
    await log_in(job.url, job.tokens[0], speaker)
    members = [
        _sleep_and_return(job, token, naps.uniform(0.5, 1.0) * SLEEP_S, codes) if job.sleeps else _listen(job, token)
        for token in job.tokens[1:]
    ]
    tasks = [asyncio.create_task(member) for member in [*members, _speak(job, speaker)]]
    found = await steady.run(job.steady, marks)
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    await close_all([speaker])
    errors = Counter(found["errors"]) + speaker.errors
    errors.update(repr(task.exception()) for task in tasks if not task.cancelled())
    away = {f"sent away with {code}": count for code, count in codes.items() if code != Close.SLOW_CONSUMER}
    counts = {"sent_away": codes[Close.SLOW_CONSUMER], "large": speaker.answered}
    return found | counts | {"errors": dict(errors), "violations": found["violations"] | away}
