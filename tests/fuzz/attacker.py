"""A process that attacks one door: a job comes by standard input, its tally is printed at the end.

python -m tests.fuzz.attacker
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
from collections.abc import Iterator

import msgspec

from tests.fuzz.answers import LoopCounter
from tests.fuzz.commands import Cast
from tests.fuzz.lanes import Lane


class Job(msgspec.Struct):
    """`frames` mutated frames to the door at `port`, by connections numbered from `first` on; `lanes` are sessions."""

    door: str
    port: int
    seed: int
    first: int
    frames: int
    lanes: list[list[Cast]]


async def work(job: Job, tally: LoopCounter) -> None:
    """Until so many frames were sent."""
    numbers = itertools.count(job.first)
    wanted = tally.sent + job.frames
    lanes = [_lane(Lane(job.door, job.port, casts, tally), job.seed, numbers, tally, wanted) for casts in job.lanes]
    await asyncio.gather(*lanes)


async def _lane(lane: Lane, seed: int, numbers: Iterator[int], tally: LoopCounter, wanted: int) -> None:
    while tally.sent < wanted:
        await lane.run(seed, next(numbers))


def main() -> None:
    job = msgspec.json.decode(sys.stdin.readline(), type=Job)
    tally = LoopCounter()
    asyncio.run(work(job, tally))
    print(json.dumps(tally.as_data()), flush=True)


if __name__ == "__main__":
    main()
