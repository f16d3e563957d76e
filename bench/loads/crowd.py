"""Many users log in, so many at a time, stay while the bench looks, and leave. While they stay they do what protocol.md
section 3 asks of a client: a heartbeat every 30 s.
"""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec

from bench.client import TEXT, Client, close_all, log_in
from bench.loads.latency import percentiles_ms
from bench.loads.marks import Marks

HEARTBEAT = b'{"op":"heartbeat"}'
HEARTBEAT_S = 30.0


class CrowdJob(msgspec.Struct, tag="crowd"):
    """`stays`: wait for `go` between the last login and the first close."""

    url: str
    tokens: list[str]
    at_once: int
    stays: bool = False


class Visitor(Client):
    """Has its heartbeats answered."""

    def on_other(self, op: str, data: dict[str, Any]) -> None:
        if op != "heartbeat":
            super().on_other(op, data)


async def enter(url: str, tokens: list[str], at_once: int) -> tuple[list[Client], list[float]]:
    """All logged in, in their order, and how long each login took, from the connection on, in s."""
    clients: list[Client] = [Visitor() for _ in tokens]
    took: list[float] = []
    waiting = iter(zip(clients, tokens, strict=True))

    async def worker() -> None:
        for client, token in waiting:
            begun = time.perf_counter()
            await log_in(url, token, client)
            took.append(time.perf_counter() - begun)

    async with asyncio.TaskGroup() as group:
        for _ in range(at_once):
            group.create_task(worker())
    return clients, took


async def _beat(clients: list[Client]) -> None:
    """Until cancelled: one after the other, so that each has its turn every 30 s."""
    while True:
        for client in clients:
            client.transport.send(TEXT, HEARTBEAT)
            await asyncio.sleep(HEARTBEAT_S / len(clients))


async def run(job: CrowdJob, marks: Marks) -> dict[str, Any]:
    """{"rate": logins per s, "latency_ms", "errors"}"""
    marks.begin()
    clients, took = await enter(job.url, job.tokens, job.at_once)
    seconds = marks.end()
    if job.stays:
        beating = asyncio.create_task(_beat(clients))
        await marks.go()
        beating.cancel()
    errors = {code: count for client in clients for code, count in client.errors.items()}
    await close_all(clients)
    return {"rate": len(clients) / seconds, "latency_ms": percentiles_ms(took), "errors": errors}
