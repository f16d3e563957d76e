"""How a gateway under attack is: its memory, its open files, its own figures, its log."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil

from tests.fuzz.target import Target
from tests.http_calls import get

FAULTS = ("Traceback", '"level": "error"', '"level": "critical"')


@dataclass(frozen=True)
class Vitals:
    """`connections` of all doors; `frames` that it has read since it began. `blocks` of Python's memory and
    `resident_bytes` are without what is not needed; `found_bytes` was resident before that was let go."""

    resident_bytes: int
    found_bytes: int
    blocks: int
    files: int
    connections: int
    pending: int
    frames: int


async def is_at_rest(target: Target, connections: int) -> bool:
    """Whether at most so many are connected, and nothing is under way but what they do."""
    figures = await _figures(target)
    pending = _sum(figures, "hongyan_commands_pending")
    return _sum(figures, "hongyan_connections") <= connections and pending <= connections


async def look(target: Target) -> Vitals:
    """How it is now."""
    process = psutil.Process(target.pid)
    found = process.memory_info().rss
    blocks = await target.blocks()
    figures = await _figures(target)
    return Vitals(
        process.memory_info().rss,
        found,
        blocks,
        process.num_fds(),
        _sum(figures, "hongyan_connections"),
        _sum(figures, "hongyan_commands_pending"),
        _sum(figures, "hongyan_frames_received_total"),
    )


async def _figures(target: Target) -> str:
    return (await get(target.operations_port, "/metrics")).body.decode()


def _sum(figures: str, name: str) -> int:
    return int(sum(float(value) for value in re.findall(rf"^{name}(?:\{{.*\}})? (\S+)$", figures, re.MULTILINE)))


def faults(log: Path) -> Iterator[str]:
    """The lines of a log that tell of a fault of ours."""
    with log.open(errors="replace") as lines:
        for line in lines:
            if any(fault in line for fault in FAULTS):
                yield line.strip()[:1000]
