"""A gateway that does only what a test tells it: its lease stands in Redis, and it notes every request."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import Self

from router.interface import GatewayLease
from router.redis.keys import Keys
from router.redis.records import write_lease
from tests.nginx.door import PREFIX, Door

LEASE_MS = 600_000


class StubGateway:
    """`async with StubGateway(door, "a") as gateway`. `requests` are the raw heads, bodies go to `bodies`."""

    def __init__(self, door: Door, name: str, prefix: str = PREFIX, host: str = "127.0.0.1") -> None:
        self._door, self.name, self.epoch = door, name, "e1"
        self._keys = Keys(prefix)
        self._host = host
        self.requests: list[str] = []
        self.bodies: list[bytes] = []
        self.dies_on_request = False
        self.port = self.tcp_port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        await self.listen()
        self.announce()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.refuse()

    async def listen(self) -> None:
        """Accept connections, on the same port each time."""
        self._server = await asyncio.start_server(self._serve, self._host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Nobody listens any more, as after kill -9; the lease stays."""
        if self._server is not None:
            self._server.close()
            for writer in list(self._writers):
                writer.transport.abort()
            await self._server.wait_closed()
            self._server = None

    def announce(self, state: str = "up", connections: int = 0) -> None:
        """Write the lease."""
        lease = GatewayLease(self.name, self.epoch, self._host, self.port, state, connections)
        self._door.redis("SADD", self._keys.gateways(), lease.address)
        self._door.redis("SET", self._keys.gateway(self.name), write_lease(lease).decode(), "PX", str(LEASE_MS))

    def withdraw(self) -> None:
        """The lease expires."""
        self._door.redis("DEL", self._keys.gateway(self.name))

    @property
    def paths(self) -> Counter[str]:
        """How often each path was asked for."""
        return Counter(head.split(" ")[1].partition("?")[0] for head in self.requests)

    def header(self, name: str) -> list[str]:
        """The values of a header of the last request."""
        lines = self.requests[-1].split("\r\n")[1:]
        return [line.partition(": ")[2] for line in lines if line.lower().startswith(name.lower() + ":")]

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                self.requests.append(head)
                length = self.header("content-length")
                self.bodies.append(await reader.readexactly(int(length[0]) if length else 0))
                if self.dies_on_request:
                    writer.transport.abort()
                    return
                if "upgrade: websocket" in head.lower():
                    writer.write(
                        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n"
                    )
                    await reader.read()
                    return
                body = json.dumps({"gateway": self.name}).encode()
                writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self._writers.discard(writer)
            writer.close()
