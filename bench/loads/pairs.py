"""Pairs of users who write to each other without pause: each connection keeps a window of unacknowledged sends.

The next message leaves when an acknowledgement came. A message counts once it is acknowledged *and* delivered.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

import msgspec

from bench.check import direction_violations, seq_violations
from bench.client import TEXT, Client, close_all, log_in
from bench.loads.latency import percentiles_ms
from bench.loads.marks import Marks

DRAIN_S = 10.0
WORDS = "the wild goose carries a letter."


class PairsJob(msgspec.Struct, tag="pairs"):
    """`users` [(user, token)]: the first writes to the second, the third to the fourth ... The pairs are dealt out to
    `urls` in turn, both of a pair on different ones where there are several. `tag` is new in every run."""

    urls: list[str]
    users: list[tuple[str, str]]
    tag: str
    window: int
    warm_up_s: float
    seconds: float


class PairClient(Client):
    """One of a pair. Number n is its n-th send."""

    def __init__(self, tag: str, user: str, peer: str) -> None:
        super().__init__(tag)
        first, second = sorted((user, peer))
        self._head = f'{{"op":"message.send","data":{{"conversation":"p:{first}:{second}","cid":"{tag}'.encode()
        self._middle = f'","type":"text","body":{{"text":"{WORDS}"}}}},"id":"'.encode()
        self.peer: PairClient = self
        self.sent_at: dict[int, float] = {}
        self.acked: dict[int, int] = {}
        self.pushed: list[tuple[int, int]] = []
        self.latencies: list[float] = []
        self.is_sending = True
        self.sent = 0

    def send(self, at: float) -> None:
        """Send the next message; `at` is when it should have been sent."""
        self.sent = number = self.sent + 1
        self.sent_at[number] = at
        self.transport.send(TEXT, b'%b%d%b%d"}' % (self._head, number, self._middle, number))

    def on_ack(self, number: int, seq: int) -> None:
        self.acked[number] = seq
        if self.is_sending:
            self.send(time.perf_counter())

    def on_push(self, number: int, seq: int) -> None:
        self.pushed.append((number, seq))
        self.latencies.append(time.perf_counter() - self.peer.sent_at.get(number, 0.0))

    def on_error(self, number: int, code: str) -> None:
        super().on_error(number, code)
        if self.is_sending:
            self.send(time.perf_counter())

    @property
    def is_settled(self) -> bool:
        """Everything was answered, and the peer has what was acknowledged."""
        answered = len(self.acked) + sum(self.errors.values()) >= self.sent
        return answered and len(self.peer.pushed) >= len(self.acked)


async def open_pairs(job: PairsJob, kind: type[PairClient] = PairClient) -> list[PairClient]:
    """All logged in; neighbours are peers."""
    clients = []
    for index, (user, token) in enumerate(job.users):
        client = kind(job.tag, user, job.users[index ^ 1][0])
        await log_in(job.urls[(index + index // 2) % len(job.urls)], token, client)
        clients.append(client)
    for index, client in enumerate(clients):
        client.peer = clients[index ^ 1]
    return clients


def counts(clients: list[PairClient]) -> tuple[int, int]:
    """(acknowledged, delivered) so far."""
    return sum(len(client.acked) for client in clients), sum(len(client.pushed) for client in clients)


async def settle(clients: list[PairClient]) -> None:
    """Stop sending and wait for what is under way; what does not come is found by the check."""
    for client in clients:
        client.is_sending = False
    until = time.perf_counter() + DRAIN_S
    while not all(client.is_settled for client in clients) and time.perf_counter() < until:
        await asyncio.sleep(0.02)


def verdict(clients: list[PairClient]) -> dict[str, Any]:
    """{"violations": {what: how many directions or conversations}, "errors": {code: count}}"""
    violations: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    for client in clients:
        violations.update(direction_violations(client.acked, client.peer.pushed))
        errors.update(client.errors)
    if not errors:
        for one in clients[::2]:
            violations.update(seq_violations([*one.acked.values(), *one.peer.acked.values()]))
    return {"violations": dict(violations), "errors": dict(errors)}


async def run(job: PairsJob, marks: Marks) -> dict[str, Any]:
    """{"rate", "acked_per_s", "delivered_per_s", "latency_ms": from send to delivery, "violations", "errors"}"""
    clients = await open_pairs(job)
    for client in clients:
        for _ in range(job.window):
            client.send(time.perf_counter())
    await asyncio.sleep(job.warm_up_s)
    for client in clients:
        client.latencies.clear()
    marks.begin()
    acked, delivered = counts(clients)
    await asyncio.sleep(job.seconds)
    seconds = marks.end()
    rates = [(now - before) / seconds for now, before in zip(counts(clients), (acked, delivered), strict=True)]
    latencies = percentiles_ms([latency for client in clients for latency in client.latencies])
    await settle(clients)
    await close_all(clients)
    found = {"rate": min(rates), "acked_per_s": rates[0], "delivered_per_s": rates[1], "latency_ms": latencies}
    return found | verdict(clients)
