"""Many users log in, so many at a time, stay while the bench looks, and leave."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import msgspec

from bench.client import Client, close_all, log_in
from bench.loads.latency import percentiles_ms
from bench.loads.marks import Marks


class CrowdJob(msgspec.Struct, tag="crowd"):
    """`stays`: wait for `go` between the last login and the first close."""

    url: str
    tokens: list[str]
    at_once: int
    stays: bool = False


async def enter(url: str, tokens: list[str], at_once: int) -> tuple[list[Client], list[float]]:
    """All logged in, in their order, and how long each login took, from the connection on, in s."""
    clients = [Client() for _ in tokens]
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


async def run(job: CrowdJob, marks: Marks) -> dict[str, Any]:
    """{"rate": logins per s, "latency_ms", "errors"}"""
    marks.begin()
    clients, took = await enter(job.url, job.tokens, job.at_once)
    seconds = marks.end()
    if job.stays:
        await marks.go()
    errors = {code: count for client in clients for code, count in client.errors.items()}
    await close_all(clients)
    return {"rate": len(clients) / seconds, "latency_ms": percentiles_ms(took), "errors": errors}
