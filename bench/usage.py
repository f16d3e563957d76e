"""What processes use: CPU seconds between two moments, and resident memory."""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Moment:
    """CPU seconds used so far: by each process (with all that it started), by all, and taken by the host ("steal")."""

    at: float
    processes: dict[str, float]
    busy: float
    stolen: float


def look(pids: dict[str, int]) -> Moment:
    """The counters now. A process that is gone counts as 0."""
    machine = psutil.cpu_times()
    busy = machine.user + machine.nice + machine.system + machine.irq + machine.softirq
    return Moment(time.monotonic(), _by_process(pids), busy, machine.steal)


def spent(begin: Moment, end: Moment) -> dict[str, float]:
    """CPU seconds between the two: by process, by `others` on the machine, and `stolen`."""
    used = {name: end.processes[name] - was for name, was in begin.processes.items()}
    others = end.busy - begin.busy - sum(used.values())
    return {**used, "others": max(others, 0.0), "stolen": end.stolen - begin.stolen}


def shares(begin: Moment, end: Moment) -> dict[str, float]:
    """The same as cores used."""
    return {name: round(used / (end.at - begin.at), 3) for name, used in spent(begin, end).items()}


def resident_bytes(pid: int) -> int:
    return int(psutil.Process(pid).memory_info().rss)


def connections(pid: int, port: int) -> int:
    """How many TCP connections the process holds that came in at its port."""
    held = psutil.Process(pid).net_connections("tcp")
    return sum(one.status == psutil.CONN_ESTABLISHED and one.laddr.port == port for one in held)


def _own_cpu_s(pid: int, told: float) -> float:
    """CPU seconds of a process and its threads, those that ended included: to the nanosecond where the system has a
    clock for each process (clock_getcpuclockid(3)), else what psutil `told`, to the hundredth of a second."""
    clock = ctypes.c_int()
    try:
        missing = ctypes.CDLL(None).clock_getcpuclockid(pid, ctypes.byref(clock))
        return told if missing else time.clock_gettime(clock.value)
    except (AttributeError, OSError):
        return told


def _by_process(pids: dict[str, int]) -> dict[str, float]:
    """In one walk through the table of processes: each counts for the nearest of `pids` that it descends from.

    What a child used that ended meanwhile has gone to its parent, who waited for it.
    """
    used: dict[int, float] = {}
    parents: dict[int, int] = {}
    for process in psutil.process_iter(["ppid", "cpu_times"]):
        times = process.info["cpu_times"]
        if times is not None:
            parents[process.pid] = process.info["ppid"]
            own = _own_cpu_s(process.pid, times.user + times.system)
            used[process.pid] = own + times.children_user + times.children_system
    names = {pid: name for name, pid in pids.items()}
    found = dict.fromkeys(pids, 0.0)
    for pid, seconds in used.items():
        while pid and pid not in names:
            pid = parents.get(pid, 0)
        if pid:
            found[names[pid]] += seconds
    return found
