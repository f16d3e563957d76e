"""What a gateway has to write to Redis, in order, with whoever waits for an answer."""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from typing import Any, NamedTuple

from router.interface import RouterAway
from router.redis.commands import Command

MAX_BATCH = 200
MAX_QUEUED = 20_000


class Write(NamedTuple):
    """A command and who waits for its answer. Without a command it is a renewal of the lease as it then is."""

    command: Command | None
    done: asyncio.Future[Any] | None = None

    def answer(self, answer: Any) -> None:
        if self.done is not None and not self.done.done():
            self.done.set_result(answer)

    def fail(self) -> None:
        """It was not written, or nobody knows."""
        if self.done is not None and not self.done.done():
            self.done.set_exception(RouterAway("the router went away, or our name is another's"))


class WriteQueue:
    """Holds up to MAX_QUEUED writes, and gives them out by MAX_BATCH."""

    def __init__(self) -> None:
        self._writes: deque[Write] = deque()
        self._woken = asyncio.Event()

    def __repr__(self) -> str:
        return f"WriteQueue({len(self)})"

    def __len__(self) -> int:
        return len(self._writes)

    def put(self, write: Write) -> bool:
        """False: the queue is full."""
        if len(self._writes) >= MAX_QUEUED:
            return False
        self._writes.append(write)
        self._woken.set()
        return True

    def take(self) -> list[Write]:
        return [self._writes.popleft() for _ in range(min(len(self._writes), MAX_BATCH))]

    def fail(self) -> None:
        """Drop all."""
        while self._writes:
            self._writes.popleft().fail()

    def wake(self) -> None:
        """End `wait`."""
        self._woken.set()

    async def wait(self, seconds: float) -> None:
        """Until something is put, or `wake` is called, or so long."""
        self._woken.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()
