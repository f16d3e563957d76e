"""Clients that do nothing wrong, beside the attackers: two friends over each door, who talk all the time."""

from __future__ import annotations

import asyncio
import time
from contextlib import AsyncExitStack
from typing import Self

from protocol.ids import private_conversation
from tests.client import Client
from tests.deployments import Deployment
from tests.fuzz.attacks import DOORS

PAUSE_S = 0.1
HEARD_S = 10.0


class Friends:
    """`async with Friends(deployment) as friends`: they talk inside the block. `latencies_ms` of their sends."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._stack = AsyncExitStack()
        self._talks: list[asyncio.Task[None]] = []
        self._is_over = False
        self.latencies_ms: list[float] = []

    def __repr__(self) -> str:
        return f"Friends({len(self._talks)} pairs, {len(self.latencies_ms)} sends)"

    async def __aenter__(self) -> Self:
        for door in DOORS:
            url = self._deployment.urls(door)[0]
            users = [self._deployment.new_user(f"friend-{door}") for _ in range(2)]
            one, other = [await self._stack.enter_async_context(Client(url, user.id, user.token)) for user in users]
            self._talks.append(
                asyncio.create_task(self._talk(one, other, private_conversation(users[0].id, users[1].id)))
            )
        return self

    async def _talk(self, one: Client, other: Client, conversation: str) -> None:
        """Each text is acknowledged, and the friend has it: in order, and before the next is said."""
        said: list[str] = []
        while not self._is_over:
            begun = time.monotonic()
            said.append(f"text {len(said)}")
            await one.say(conversation, said[-1])
            self.latencies_ms.append((time.monotonic() - begun) * 1000)
            await other.until(lambda: len(other.spoken(conversation)) >= len(said), HEARD_S)
            await asyncio.sleep(PAUSE_S)
        assert other.spoken(conversation) == said

    async def end(self) -> None:
        """They stop talking, then leave. Raises what went wrong for one of them."""
        self._is_over = True
        await asyncio.gather(*self._talks)
        await self._stack.aclose()

    async def __aexit__(self, *failure: object) -> None:
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)
        await self._stack.aclose()
