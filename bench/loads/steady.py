"""Private messages at a given rate, whatever the answers do: an open loop with random gaps (a Poisson process).

A latency runs from the moment at which a message was *due*, so that a stall is not hidden by messages that were never
sent. How late the generator itself sent is told too: a run in which it was late says nothing about the system.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import msgspec

from bench.client import close_all
from bench.loads.latency import percentiles_ms
from bench.loads.marks import Marks
from bench.loads.pairs import PairClient, PairsJob, counts, open_pairs, settle, verdict

SEED = 20_260_101


class SteadyJob(msgspec.Struct, tag="steady"):
    """`rate` messages per s, all pairs together; the window of `pairs` does not count."""

    pairs: PairsJob
    rate: float


class SteadyClient(PairClient):
    """Sends when it is told to, not when an acknowledgement came."""

    def on_ack(self, number: int, seq: int) -> None:
        self.acked[number] = seq

    def on_error(self, number: int, code: str) -> None:
        self.errors[code] += 1


async def _pace(clients: list[PairClient], rate: float, seconds: float) -> list[float]:
    """Send for so long; how late each was, in s."""
    gaps = random.Random(SEED)
    late: list[float] = []
    due = time.perf_counter()
    ends = due + seconds
    while due < ends:
        while due <= (now := time.perf_counter()):
            clients[len(late) % len(clients)].send(due)
            late.append(now - due)
            due += gaps.expovariate(rate)
        await asyncio.sleep(due - now)
    return late


async def run(job: SteadyJob, marks: Marks) -> dict[str, Any]:
    """{"rate": delivered per s, "asked_per_s", "latency_ms", "late_ms": of the generator, "violations", "errors"}"""
    clients = await open_pairs(job.pairs, SteadyClient)
    await _pace(clients, job.rate, job.pairs.warm_up_s)
    for client in clients:
        client.latencies.clear()
    marks.begin()
    before = counts(clients)
    late = await _pace(clients, job.rate, job.pairs.seconds)
    seconds = marks.end()
    rate = min(now - was for now, was in zip(counts(clients), before, strict=True)) / seconds
    await settle(clients)
    latencies = percentiles_ms([latency for client in clients for latency in client.latencies])
    await close_all(clients)
    found = {"rate": rate, "asked_per_s": job.rate, "latency_ms": latencies, "late_ms": percentiles_ms(late)}
    return found | verdict(clients)
