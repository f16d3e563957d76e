"""How the generator talks to the bench: one JSON object a line.

generator -> bench   {"mark":"begin"}  {"mark":"end"}  ...  {"result":{...}} or {"failed":"..."}
bench -> generator   the job, then `go` where the load waits for one
"""

from __future__ import annotations

import asyncio
import json
import sys
import time

import psutil


class Marks:
    """Tells the bench where the load stands, and measures the generator's own CPU between `begin` and `end`."""

    def __init__(self) -> None:
        self._begun = (0.0, 0.0)
        self._process = psutil.Process()
        self.cores = 0.0

    def begin(self) -> None:
        """The measured window begins."""
        self._begun = (time.perf_counter(), self._cpu_s())
        self.say("begin")

    def end(self) -> float:
        """The measured window ends: its length in s."""
        seconds = time.perf_counter() - self._begun[0]
        self.cores = (self._cpu_s() - self._begun[1]) / seconds
        self.say("end")
        return seconds

    def say(self, mark: str) -> None:
        print(json.dumps({"mark": mark}), flush=True)

    async def go(self) -> None:
        """Wait until the bench says to go on."""
        await asyncio.to_thread(sys.stdin.readline)

    def _cpu_s(self) -> float:
        times = self._process.cpu_times()
        return times.user + times.system
