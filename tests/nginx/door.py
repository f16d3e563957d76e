"""An nginx of one test, with a Redis of its own, as ops/servers/nginx.py runs it."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
import redis

from conf.secrets import generate
from conf.settings import Settings, load
from ops.processes import Process
from ops.servers.nginx import directory_of, nginx_process
from ops.servers.redis import redis_process
from tests.http_calls import Answer, request
from tests.private_servers import CONFIGURATION, free_ports

POLL_S = 0.05
READY_S = 20.0
PREFIX = "the-door.of_Tests-1"
UPGRADE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}


class Door:
    """nginx at `port`, before the gateways that Redis knows of."""

    def __init__(self, var: Path, **nginx: Any) -> None:
        generate(var)
        (var / "cluster.toml").write_text(CONFIGURATION.format(var=var, **free_ports()))
        settings = load(var / "cluster.toml", {})
        self.config = var / "cluster.toml"
        self.settings: Settings = msgspec.structs.replace(
            settings,
            nginx=msgspec.structs.replace(settings.nginx, **nginx),
            router=msgspec.structs.replace(settings.router, prefix=PREFIX),
        )
        self.redis_server: Process = redis_process(self.settings.router, var)
        self.nginx: Process = nginx_process(self.settings)
        self.port = self.settings.nginx.port
        self._said_before = 0

    def __repr__(self) -> str:
        return f"Door({self.nginx})"

    def redis(self, *words: str) -> None:
        """One command for Redis."""
        router = self.settings.router
        with redis.Redis(router.host, router.port, password=router.password) as client:
            client.execute_command(*words)

    def start_redis(self) -> None:
        self.redis_server.start()
        self.redis_server.await_ready(READY_S)

    def start(self) -> None:
        """Start nginx: it knows the gateways that are announced."""
        self.nginx.start()
        self.nginx.await_ready(READY_S)

    def restart(self) -> None:
        """Start nginx anew: it remembers nothing."""
        self.nginx.stop()
        self.start()

    def stop(self) -> None:
        self.nginx.stop()
        self.redis_server.stop()

    async def call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> Answer:
        return await asyncio.to_thread(request, self.port, method, path, body, headers, tls)

    async def post(self, path: str, body: bytes = b"{}", **headers: str) -> Answer:
        return await self.call("POST", path, body, headers)

    async def raw(self, sent: bytes) -> bytes:
        """What is answered to these bytes until nginx closes."""
        return await asyncio.to_thread(self._raw, sent)

    def _raw(self, sent: bytes) -> bytes:
        with socket.create_connection(("127.0.0.1", self.port), READY_S) as connection:
            connection.sendall(sent)
            got = b""
            while chunk := connection.recv(65536):
                got += chunk
            return got

    def upgraded(self) -> socket.socket:
        """A WebSocket's connection after its handshake."""
        connection = socket.create_connection(("127.0.0.1", self.port), READY_S)
        head = "".join(f"{name}: {value}\r\n" for name, value in UPGRADE.items())
        connection.sendall(f"GET /ws HTTP/1.1\r\nHost: door\r\n{head}\r\n".encode())
        answer = connection.recv(4096)
        assert b" 101 " in answer, answer
        return connection

    def said(self) -> str:
        """What nginx has said of its gateways and of Redis since `listen`."""
        return self.nginx.log.read_text()[self._said_before :]

    def listen(self) -> None:
        """Begin to note what it says."""
        self._said_before = len(self.nginx.log.read_text()) if self.nginx.log.exists() else 0

    def workers(self) -> list[int]:
        """The pids of nginx's workers."""
        assert self.nginx.pid is not None
        return [worker.pid for worker in psutil.Process(self.nginx.pid).children()]

    def logs(self) -> str:
        """All that the door has written."""
        files = [self.nginx.log, *directory_of(self.settings.var).glob("*.log")]
        return "".join(path.read_text() for path in files if path.exists())


async def until(condition: Callable[[], Any], within_s: float = 10.0) -> float:
    """Until it is true; how long that took (s)."""
    begun = time.monotonic()
    while not await asyncio.to_thread(condition):
        assert time.monotonic() - begun < within_s, "it did not come true"
        await asyncio.sleep(POLL_S)
    return time.monotonic() - begun


@contextmanager
def open_door(var: Path, **nginx: Any) -> Iterator[Door]:
    """A door with these settings, up, and its Redis."""
    with opened(Door(var, **nginx)) as door:
        yield door


@contextmanager
def opened(door: Door) -> Iterator[Door]:
    """That door, up, and its Redis."""
    try:
        door.start_redis()
        door.start()
        yield door
    finally:
        door.stop()
