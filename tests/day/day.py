"""One day: the town lives, each minute there is another trouble, and in the evening the oracle judges."""

from __future__ import annotations

import asyncio
import gc
import itertools
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tests.day.town import Pace, Town
from tests.day.troubles import TROUBLES, Trouble
from tests.day.vitals import Vitals
from tests.faults.cluster import FaultCluster

LOOK_S = 10.0
EVERY_S = 60.0
EVENING_S = 120.0


@dataclass
class Report:
    """What the day was like. `recovered` lists each trouble with how long after it the last partition acknowledged."""

    seed: str
    vitals: Vitals = field(default_factory=Vitals)
    recovered: list[tuple[str, float]] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)
    findings: list[str] = field(default_factory=list)


class Day:
    """So many troubles, one each `every_s` or when the one before is over. `troubles` are drawn from in a random order:
    each has happened once before one happens twice."""

    def __init__(
        self,
        cluster: FaultCluster,
        pace: Pace,
        count: int,
        seed: str,
        tell: Callable[[str], None] = print,
        troubles: tuple[Trouble, ...] = TROUBLES,
        every_s: float = EVERY_S,
    ) -> None:
        self.report = Report(seed)
        self._cluster = cluster
        self._town = Town(cluster, pace, seed)
        self._count = count
        self._every_s = every_s
        self._tell = tell
        self._troubles = troubles
        self._random = random.Random(seed)

    async def run(self) -> Report:
        """All of it; what was found is in the report."""
        watching = asyncio.create_task(self._watch())
        try:
            await self._town.open()
            self._tell(f"{self._town}: the day begins")
            await asyncio.sleep(self._every_s)
            await self._trouble()
            self._tell(f"{self._town}: the evening")
            await self._town.evening(EVENING_S)
            self.report.findings = [*await self._town.verdict(), *self._cluster.faults_of_ours()]
            self.report.done = dict(self._town.done)
        finally:
            watching.cancel()
            await self._town.close()
        return self.report

    async def _trouble(self) -> None:
        begins = time.monotonic()
        for trouble in itertools.islice(self._drawn(), self._count):
            await asyncio.sleep(max(0.0, begins - time.monotonic()))
            begins = max(begins, time.monotonic()) + self._every_s
            gc.freeze()  # what is recorded for the oracle is not collected, and pauses would grow with the day
            await self._strike(trouble)

    def _drawn(self) -> Iterator[Trouble]:
        while True:
            yield from self._random.sample(self._troubles, len(self._troubles))

    async def _strike(self, trouble: Trouble) -> None:
        await asyncio.to_thread(trouble.strike, self._cluster)
        recovered = await self._town.recovered(time.monotonic(), trouble.limit_s)
        self.report.recovered.append((trouble.name, recovered))
        logged = await asyncio.to_thread(self._cluster.faults_of_ours)
        self._town.findings += [f"logged after {trouble.name}: {line}" for line in logged[:5]]
        found = f", {len(self._town.findings)} findings" if self._town.findings else ""
        self._tell(f"{trouble.name}: all partitions acknowledge {recovered:.1f} s after it; {self._town}{found}")

    async def _watch(self) -> None:
        while True:
            await asyncio.to_thread(self.report.vitals.look, self._cluster, self._town.there)
            await asyncio.sleep(LOOK_S)
