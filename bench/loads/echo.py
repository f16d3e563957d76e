"""The yardstick: frames to bare Tornado and back, a fixed number in flight on each connection."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
from picows import WSFrame, WSTransport

from bench.client import TEXT, Client, close_all, connect
from bench.loads.marks import Marks


class EchoJob(msgspec.Struct, tag="echo"):
    """`url` of bench.echo_server's /echo; `frame_bytes` as long as a real send; times in s."""

    url: str
    connections: int
    window: int
    frame_bytes: int
    warm_up_s: float
    seconds: float


class EchoClient(Client):
    """Sends again whatever comes back."""

    echoed = 0
    is_sending = True
    in_flight = 0

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        self.echoed += 1
        if self.is_sending:
            transport.send(TEXT, payload)
        else:
            self.in_flight -= 1


async def run(job: EchoJob, marks: Marks) -> dict[str, Any]:
    """{"rate": echoes per s}"""
    clients = [EchoClient() for _ in range(job.connections)]
    for client in clients:
        await connect(job.url, client)
    for client in clients:
        client.in_flight = job.window
        for _ in range(job.window):
            client.transport.send(TEXT, b"e" * job.frame_bytes)
    await asyncio.sleep(job.warm_up_s)
    marks.begin()
    before = sum(client.echoed for client in clients)
    await asyncio.sleep(job.seconds)
    seconds = marks.end()
    echoed = sum(client.echoed for client in clients) - before
    for client in clients:
        client.is_sending = False
    while any(client.in_flight for client in clients):
        await asyncio.sleep(0.01)
    await close_all(clients)
    return {"rate": echoed / seconds}
