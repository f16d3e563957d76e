"""Thousands of users in groups who lose their gateway at once, and come back: how soon they have what they missed.

Law: each does what protocol.md section 5 says a client does. It connects to the next gateway, after a random pause and
then with growing ones; logs in; syncs once; applies what follows without a gap. It is caught up when its sync is over.
A try at a gateway that lives is a failure where it ends without an answer or with a refusal, even if the next one
succeeds.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Sequence
from typing import Any

import msgspec

from bench.loads.latency import percentiles_ms
from bench.loads.marks import Marks
from bench.loads.member import Member, Speaker

ENTER_S = 120.0
CAUGHT_UP_S = 120.0
SETTLE_S = 20.0
ENTERING = 96


class StormJob(msgspec.Struct, tag="storm"):
    """`groups` [(group, [(user, token), ...])]: the first of each group writes in it and is on the second of `urls`,
    all others are on the first. All groups together get `rate` messages per s. Who loses
    a gateway waits up to `jitter_s` first. `tag` is new in every run.

    The gateways are killed in turn, whenever the load has said `ready` and was told `go`; when it said `caught up` and
    is told `go`, the one that was killed is back."""

    urls: list[str]
    groups: list[tuple[str, list[tuple[str, str]]]]
    tag: str
    rate: float
    jitter_s: float
    warm_up_s: float


def _people(job: StormJob) -> tuple[list[Speaker], list[Member]]:
    """Those who write, and everyone."""
    speakers: list[Speaker] = []
    everyone: list[Member] = []
    for group, users in job.groups:
        speakers.append(Speaker(job.urls, 1, users[0][1], group, job.tag, job.jitter_s))
        everyone.append(speakers[-1])
        everyone += [Member(job.urls, 0, token, group, job.tag, job.jitter_s) for _, token in users[1:]]
    return speakers, everyone


async def _enter(everyone: Sequence[Member]) -> list[asyncio.Task[None]]:
    """All in step, some at a time; the tasks that keep them there."""
    tasks: list[asyncio.Task[None]] = []
    room = asyncio.Semaphore(ENTERING)

    async def enter(member: Member) -> None:
        async with room:
            tasks.append(asyncio.create_task(member.stay()))
            await member.in_step.wait()

    try:
        async with asyncio.timeout(ENTER_S), asyncio.TaskGroup() as group:
            for member in everyone:
                group.create_task(enter(member))
    except TimeoutError:
        away = sum(not member.in_step.is_set() for member in everyone)
        raise TimeoutError(f"{away} of {len(everyone)} did not get in: {_failures(everyone)}") from None
    return tasks


async def _pace(speakers: Sequence[Speaker], rate: float) -> None:
    """Until cancelled: one after another writes; who waits for an answer does not write meanwhile."""
    due = time.perf_counter()
    while True:
        for speaker in speakers:
            due += 1 / rate
            await asyncio.sleep(due - time.perf_counter())
            speaker.say(due)


def _failures(members: Sequence[Member]) -> Counter[str]:
    return sum((member.failures for member in members), Counter[str]())


def _counts(members: Sequence[Member]) -> dict[str, int]:
    names = ("syncs", "missed")
    return {name: sum(getattr(member, name) for member in members) for name in names}


async def _wave(url: str, speakers: Sequence[Speaker], everyone: Sequence[Member], marks: Marks) -> dict[str, Any]:
    """The gateway at `url` is killed, and everyone who was there comes back elsewhere. Raises TimeoutError."""
    victims = [member for member in everyone if member.url == url]
    failed, before = _failures(everyone), _counts(everyone)
    answered = {speaker: len(speaker.took) for speaker in speakers}
    for member in victims:
        member.is_back.clear()
    marks.say("ready")
    await marks.go()
    killed_at = time.perf_counter()
    try:
        async with asyncio.timeout(CAUGHT_UP_S):
            for member in victims:
                await member.is_back.wait()
    except TimeoutError:
        away = sum(not member.is_back.is_set() for member in victims)
        raise TimeoutError(
            f"{away} of {len(victims)} are not back after {CAUGHT_UP_S:.0f} s: {_failures(everyone) - failed}"
        ) from None
    marks.say("caught up")
    took = sorted(member.back_at - killed_at for member in victims)
    return {
        "clients": len(victims),
        "p50_s": round(took[len(took) // 2], 2),
        "p99_s": round(took[min(len(took) - 1, len(took) * 99 // 100)], 2),
        "all_s": round(took[-1], 2),
        "failures": dict(_failures(everyone) - failed),
        **{name: count - before[name] for name, count in _counts(everyone).items()},
        "ack_ms": percentiles_ms([one for speaker, count in answered.items() for one in speaker.took[count:]]),
    }


async def _settle(speakers: Sequence[Speaker], everyone: Sequence[Member]) -> dict[str, int]:
    """Everyone must have the newest message of the group, and by the rule of seqs all before it."""
    until = time.perf_counter() + SETTLE_S
    newest: dict[str, int] = {}
    while time.perf_counter() < until:
        newest = {speaker.group: speaker.last for speaker in speakers}
        if all(speaker.is_answered for speaker in speakers) and all(m.last == newest[m.group] for m in everyone):
            return {}
        await asyncio.sleep(0.02)
    return {"members without the newest message": sum(m.last != newest[m.group] for m in everyone)}


async def run(job: StormJob, marks: Marks) -> dict[str, Any]:
    """{"waves": [one of each gateway that was killed], "messages", "violations"}"""
    speakers, everyone = _people(job)
    tasks = await _enter(everyone)
    marks.begin()
    pacing = asyncio.create_task(_pace(speakers, job.rate))
    waves = []
    for url in job.urls:
        await asyncio.sleep(job.warm_up_s)
        waves.append(await _wave(url, speakers, everyone, marks))
        await marks.go()
    pacing.cancel()
    violations = await _settle(speakers, everyone)
    marks.end()
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
    return {"waves": waves, "messages": sum(len(speaker.took) for speaker in speakers), "violations": violations}
