"""What a gateway does when users of its own enter or leave groups."""

from __future__ import annotations

import asyncio

from gateway.clients.hub import RESYNC, Hub
from gateway.clients.session import State
from gateway.sessions.login import LoginFlow
from router.interface import Registrar


class Joining:
    """A join is a small login: register for the group, wait for the router, then have the user's clients sync."""

    def __init__(self, hub: Hub, login_flow: LoginFlow, registrar: Registrar) -> None:
        self._hub = hub
        self._login_flow = login_flow
        self._registrar = registrar
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"Joining({len(self._tasks)} under way)"

    def joined(self, users: list[str], group: str) -> None:
        """These users of ours entered a group."""
        task = asyncio.get_running_loop().create_task(self._enter(users, group))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def changed(self, entered: list[str], left: list[str]) -> None:
        """After all was asked for again: groups that have users here now, and groups that have none any more."""
        if left:
            self._registrar.leave_groups(left)
        await self._login_flow.enter_groups(entered)

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _enter(self, users: list[str], group: str) -> None:
        await self._login_flow.enter_groups([group])
        for user in users:
            for connection in self._hub.of_user(user):
                if connection.session.state is State.OPEN:
                    connection.send(RESYNC)
