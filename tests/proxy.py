"""A TCP proxy for fault tests, on a thread and loop of its own. By default it passes everything on, in order.

Use it as a context manager and connect to `host`, `port`. Faults may be set from any thread at any time.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from types import TracebackType
from typing import Any

CHUNK_BYTES = 65_536
CHUNKS = 64


class _Pipe:
    """One direction of one connection: bytes leave `delay_s` after they came, and not while it is held."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_open: asyncio.Event) -> None:
        self._reader = reader
        self._writer = writer
        self._chunks: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(CHUNKS)
        self.is_open = is_open

    async def run(self, delay_s: Callable[[], float]) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._read(delay_s))
            tasks.create_task(self._write())

    async def _read(self, delay_s: Callable[[], float]) -> None:
        loop = asyncio.get_running_loop()
        data = b"-"
        while data:
            try:
                data = await self._reader.read(CHUNK_BYTES)
            except OSError:  # a reset waits its turn like any other end: nothing crosses while held
                data = b""
            await self._chunks.put((loop.time() + delay_s(), data))

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            due, data = await self._chunks.get()
            await asyncio.sleep(max(0.0, due - loop.time()))
            await self.is_open.wait()
            if not data:
                self._writer.write_eof()
                return
            self._writer.write(data)
            await self._writer.drain()


class Proxy:
    """Listens on a free port of loopback and passes connections on to the target."""

    def __init__(self, target_host: str, target_port: int) -> None:
        self.host = "127.0.0.1"
        self.port = 0
        self.delay_s = 0.0
        self._target = (target_host, target_port)
        self._is_refusing = False
        self._holds_new = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="proxy", daemon=True)
        self._connections: dict[asyncio.Task[Any], asyncio.Event] = {}

    def __repr__(self) -> str:
        return f"Proxy({self.port} -> {self._target[1]}, {len(self._connections)} connections)"

    def __enter__(self) -> Proxy:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        self._do(self._stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def connections(self) -> int:
        """How many are open through this proxy."""
        return len(self._connections)

    def cut(self) -> None:
        """Reset every connection; new ones pass."""
        self._do(self._cut())

    def refuse(self) -> None:
        """Reset every connection and each new one at once."""
        self._is_refusing = True
        self.cut()

    def hold(self) -> None:
        """Pass nothing on in what is connected now: neither side hears of the other. New ones pass."""
        self._do(self._set_open(False))

    def black_hole(self) -> None:
        """Pass nothing on, in new connections neither, which are accepted and never answered."""
        self._holds_new = True
        self.hold()

    def restore(self) -> None:
        """Pass everything again, first what was held."""
        self._is_refusing = self._holds_new = False
        self._do(self._set_open(True))

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._accept, self.host, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._server.close()
        await self._cut()

    async def _cut(self) -> None:
        tasks = list(self._connections)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _set_open(self, is_open: bool) -> None:
        for event in self._connections.values():
            (event.set if is_open else event.clear)()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        is_open = self._connections[task] = asyncio.Event()
        if not self._holds_new:
            is_open.set()
        try:
            if not self._is_refusing:
                await self._pass_on(reader, writer, is_open)
        except* (OSError, asyncio.CancelledError):
            pass  # an end of the connection, or `cut`
        finally:
            writer.transport.abort()
            del self._connections[task]

    async def _pass_on(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, is_open: asyncio.Event
    ) -> None:
        await is_open.wait()
        target_reader, target_writer = await asyncio.open_connection(*self._target)
        pipes = _Pipe(reader, target_writer, is_open), _Pipe(target_reader, writer, is_open)
        try:
            async with asyncio.TaskGroup() as tasks:
                for pipe in pipes:
                    tasks.create_task(pipe.run(lambda: self.delay_s))
        finally:
            target_writer.transport.abort()
