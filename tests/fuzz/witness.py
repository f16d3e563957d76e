"""Clients who do nothing but read, in the attackers' groups: how large is what they are sent, and whether one who reads
is ever sent away."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, suppress
from typing import Any, Self

from hongyan.channel import ChannelClosed

from protocol.ids import group_conversation
from tests.client import Socket
from tests.deployments import Deployment, User
from tests.fuzz.answers import misfit
from tests.fuzz.attacks import DOORS

PAUSE_S = 0.5
READ_S = 3600.0


def witness_of(door: str) -> str:
    """The name of the one who comes in by this door."""
    return f"fuzz-witness-{door}"


class Witnesses:
    """`async with Witnesses(deployment, groups)`: by each door one who is in `groups` {door: group ids} reads what is
    pushed, and asks for what is stored. `largest` is the largest frame (bytes), `asked` how many frames they sent."""

    def __init__(self, deployment: Deployment, users: dict[str, User], groups: dict[str, list[str]]) -> None:
        self._deployment = deployment
        self._users = users
        self._groups = groups
        self._stack = AsyncExitStack()
        self._tasks: list[asyncio.Task[None]] = []
        self.largest = self.asked = 0
        self.findings: list[str] = []

    def __repr__(self) -> str:
        return f"Witnesses({len(self._tasks) // 2}, largest frame {self.largest})"

    async def __aenter__(self) -> Self:
        for door in DOORS:
            socket = await self._stack.enter_async_context(await Socket.open(self._deployment.urls(door)[0]))
            await socket.login(self._users[door].token, "pc", "witness")
            self._tasks.append(asyncio.create_task(self._read(door, socket)))
            self._tasks.append(asyncio.create_task(self._ask(door, socket)))
        return self

    async def __aexit__(self, *failure: object) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._stack.aclose()

    async def _read(self, door: str, socket: Socket) -> None:
        try:
            while True:
                payload = (await socket.read_text(READ_S)).encode()
                self.largest = max(self.largest, len(payload))
                if wrong := misfit(payload):
                    self.findings.append(f"a witness by {door} got {wrong}")
        except ChannelClosed:
            self.findings.append(f"a witness by {door} was sent away: {socket.close_reason}")

    async def _ask(self, door: str, socket: Socket) -> None:
        with suppress(ChannelClosed):
            while True:
                for op, data in self._questions(door):
                    await asyncio.sleep(PAUSE_S)
                    await socket.write_frame(op, data, id=op)
                    self.asked += 1

    def _questions(self, door: str) -> list[tuple[str, dict[str, Any]]]:
        histories = [
            ("message.history", {"conversation": group_conversation(group), "limit": 200})
            for group in self._groups[door]
        ]
        others: list[tuple[str, dict[str, Any]]] = [
            ("sync", {"cursors": {}}),
            ("conversation.list", {"limit": 200}),
            ("group.list", {}),
            ("heartbeat", {}),
        ]
        return [*others, *histories]
