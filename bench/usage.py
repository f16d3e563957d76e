"""What processes use: CPU seconds between two moments, and resident memory."""

from __future__ import annotations

import time
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Moment:
    """CPU seconds used so far: by each process (with its children), by all, and taken by the host ("steal")."""

    at: float
    processes: dict[str, float]
    busy: float
    stolen: float


def look(pids: dict[str, int]) -> Moment:
    """The counters now. A process that is gone counts as 0."""
    machine = psutil.cpu_times()
    busy = machine.user + machine.nice + machine.system + machine.irq + machine.softirq
    return Moment(time.monotonic(), {name: _cpu_s(pid) for name, pid in pids.items()}, busy, machine.steal)


def shares(begin: Moment, end: Moment) -> dict[str, float]:
    """Cores used between the two: by process, by `others` on the machine, and `stolen`."""
    seconds = end.at - begin.at
    used = {name: (end.processes[name] - begin.processes[name]) / seconds for name in begin.processes}
    others = (end.busy - begin.busy) / seconds - sum(used.values())
    found = {**used, "others": max(others, 0.0), "stolen": (end.stolen - begin.stolen) / seconds}
    return {name: round(value, 3) for name, value in found.items()}


def resident_bytes(pid: int) -> int:
    return int(psutil.Process(pid).memory_info().rss)


def _cpu_s(pid: int) -> float:
    total = 0.0
    try:
        process = psutil.Process(pid)
        for one in [process, *process.children(recursive=True)]:
            times = one.cpu_times()
            total += times.user + times.system
    except psutil.NoSuchProcess:
        pass
    return total
