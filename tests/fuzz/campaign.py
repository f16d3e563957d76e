"""An attack on a system that runs, from beginning to end: rounds, rests between them, and what must then be so.

At rest nobody but the honest is connected, so that memory, files and connections can be compared from rest to rest. The
first third of the rounds fills what is bounded; from then on memory is to be flat.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import sys
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

import msgspec

from ops.seed import seed_group, seed_users
from ops.templates import ROOT
from tests.deployments import User
from tests.fuzz.attacker import Job
from tests.fuzz.attacks import DOORS
from tests.fuzz.commands import Cast
from tests.fuzz.honest import Friends
from tests.fuzz.target import Target
from tests.fuzz.vitals import Vitals, faults, is_at_rest, look
from tests.fuzz.witness import Witnesses, witness_of

MIB = 1024 * 1024
HONEST = len(DOORS) * 3  # two friends and a witness by each door
LANES = 8  # of each door
USERS, SESSIONS = 3, 6  # of each lane; of each user, new ones in each round because attackers also log out
REST_S = 60.0
REST_STEP_S = 0.2
MAX_GROWTH_BYTES, MAX_GROWTH_BLOCKS = 5 * MIB, 20_000
NUMBERS_A_ROUND = 1_000_000


@dataclass
class Outcome:
    """What happened. `largest` is the largest frame that anybody was sent (bytes). `rests`: before the first round,
    after each, and when the honest have left."""

    seed: int
    seconds: float = 0.0
    sent: dict[str, int] = field(default_factory=dict)
    right: int = 0
    connections: int = 0
    codes: Counter[str] = field(default_factory=Counter)
    closes: Counter[str] = field(default_factory=Counter)
    replies: int = 0
    largest: int = 0
    findings: list[str] = field(default_factory=list)
    rests: list[Vitals] = field(default_factory=list)
    latencies_ms: list[float] = field(default_factory=list)

    @property
    def read(self) -> int:
        """Mutated frames that the gateway has read, at least: what it counted but for all that were sent right. What
        it never came to read (behind a frame that ended the connection) does not count, nor do requests that were
        wrong as HTTP."""
        return self.rests[-1].frames - self.rests[0].frames - self.right

    @property
    def growth(self) -> tuple[int, int]:
        """By how many bytes and blocks what is needed at rest grew, from the middle third of the rounds to the last:
        the least of each, because closed sockets are held for 5 s more."""
        attacked = self.rests[1:-1]
        third = max(1, len(attacked) // 3)
        middle, last = attacked[third : 2 * third] or attacked[:1], attacked[-third:]
        return (
            min(rest.resident_bytes for rest in last) - min(rest.resident_bytes for rest in middle),
            min(rest.blocks for rest in last) - min(rest.blocks for rest in middle),
        )

    @property
    def p99_ms(self) -> float:
        """Of what the honest sent."""
        return statistics.quantiles(self.latencies_ms, n=100)[98] if len(self.latencies_ms) > 1 else 0.0

    def add(self, door: str, tally: dict[str, Any]) -> None:
        self.sent[door] = self.sent.get(door, 0) + tally["sent"]
        self.right += tally["right"]
        self.connections += tally["connections"]
        self.replies += tally["replies"]
        self.largest = max(self.largest, tally["largest"])
        self.codes.update(tally["codes"])
        self.closes.update(tally["closes"])
        self.findings += tally["findings"]


def _group(door: str, lane: int) -> str:
    return f"fuzz-g{lane}-{door}"


class Campaign:
    """At least `frames` mutations that are read, spread evenly over the doors and at least `rounds` rounds; logs and
    data below `var`."""

    def __init__(self, var: Path, seed: int, frames: int, rounds: int, tell: Callable[[str], None] = print) -> None:
        self._target = Target(var)
        self._frames = frames
        self._rounds = rounds
        self._tell = tell
        self._casts: dict[str, list[list[Cast]]] = {}
        self.outcome = Outcome(seed)

    def __repr__(self) -> str:
        return f"Campaign(seed {self.outcome.seed}, {self._frames} frames in {self._rounds} rounds)"

    async def run(self) -> Outcome:
        """All of it. Raises AssertionError where the honest were not served."""
        self._target.start()
        try:
            async with Friends(self._target) as friends:
                async with await self._witnesses() as witnesses:
                    await self._attack(witnesses)
                self._heard(witnesses)
                await friends.end()
                self.outcome.latencies_ms = friends.latencies_ms
                self.outcome.right += len(friends.latencies_ms)
                self.outcome.rests.append(await self._rest(0))
        finally:
            self._target.close()
        self.outcome.findings += [f"log: {line}" for line in islice(faults(self._target.process.log), 20)]
        return self.outcome

    async def _witnesses(self) -> Witnesses:
        """Who reads along in the groups of all lanes, which are made first."""
        names = [witness_of(door) for door in DOORS]
        tokens = seed_users(self._target.settings, self._target.database, names, "pc")
        users = {door: User(witness_of(door), tokens[witness_of(door)]) for door in DOORS}
        for door in DOORS:
            for lane in range(LANES):
                self._lane(door, lane)
        return Witnesses(self._target, users, {door: [_group(door, lane) for lane in range(LANES)] for door in DOORS})

    def _heard(self, witnesses: Witnesses) -> None:
        self.outcome.largest = max(self.outcome.largest, witnesses.largest)
        self.outcome.right += witnesses.asked
        self.outcome.findings += witnesses.findings[:20]

    def _lane(self, door: str, lane: int) -> list[Cast]:
        """New sessions of a few users, who are in one group, and a witness with them."""
        names = [f"fuzz-{door}-{lane}-{number}" for number in range(USERS)]
        group, database = _group(door, lane), self._target.database
        casts: list[Cast] = []
        for _ in range(SESSIONS):
            tokens = seed_users(self._target.settings, database, names)
            casts += [Cast(name, tokens[name], names[place - 1], group) for place, name in enumerate(names)]
        seed_group(database, group, [*names, witness_of(door)])
        return casts

    async def _attack(self, witnesses: Witnesses) -> None:
        begun = time.monotonic()
        self.outcome.rests.append(await self._rest(HONEST))
        number = 0
        while number < self._rounds or self.outcome.read - witnesses.asked < self._frames:
            self._casts = {door: [self._lane(door, lane) for lane in range(LANES)] for door in DOORS}
            await asyncio.gather(*(self._attack_door(door, number) for door in DOORS))
            number += 1
            rest = await self._rest(HONEST)
            self.outcome.rests.append(rest)
            self.outcome.seconds = time.monotonic() - begun
            self._tell(
                f"round {number} of {self._rounds} after {self.outcome.seconds:.0f} s: {self.outcome.read} frames "
                f"read, {rest.resident_bytes / MIB:.1f} MiB, {rest.blocks} blocks, {rest.files} files, "
                f"{len(self.outcome.findings)} findings"
            )

    async def _attack_door(self, door: str, number: int) -> None:
        """One round, by a process of its own."""
        port = self._target.tcp_ports[0] if door == "tcp" else self._target.ports[0]
        frames = self._frames // self._rounds // len(DOORS)
        job = Job(door, port, self.outcome.seed, number * NUMBERS_A_ROUND, frames, self._casts[door])
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.fuzz.attacker"),
            cwd=ROOT,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        try:
            printed, _ = await process.communicate(msgspec.json.encode(job) + b"\n")
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode == 0, f"the attacker of {door} failed"
        self.outcome.add(door, json.loads(printed))

    async def _rest(self, connections: int) -> Vitals:
        """Once nobody but so many is connected and nothing is under way."""
        async with asyncio.timeout(REST_S):
            while not await is_at_rest(self._target, connections):
                await asyncio.sleep(REST_STEP_S)
        return await look(self._target)
