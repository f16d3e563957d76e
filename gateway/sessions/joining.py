"""What a gateway does when users of its own enter or leave groups."""

from __future__ import annotations

import asyncio

import structlog

from gateway.clients.backlogs import RESYNC
from gateway.clients.hub import Hub
from gateway.clients.session import State
from process.supervision import start_task
from protocol.models import Membership
from router.interface import Registrar, RouterAway

log = structlog.get_logger()


class Joining:
    """A join is a small login: register for the group, wait for the router, then have the user's clients sync."""

    def __init__(self, hub: Hub, registrar: Registrar) -> None:
        self._hub = hub
        self._registrar = registrar
        self._tasks: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"Joining({len(self._tasks)} under way)"

    def changed(self, change: Membership) -> None:
        """A worker says that users entered or left a group; most of them are elsewhere."""
        membership, group = self._hub.membership, change.group
        joined = [user for user in change.joined if membership.join(user, group, change.seq)]
        if joined:
            task = start_task("join", self._join(joined, group))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        left = [user for user in change.left if membership.leave(user, group, change.seq)]
        if left and not membership.members(group):
            self._registrar.leave_groups([group])

    async def enter(self, groups: list[str]) -> None:
        """Register this gateway for groups that users of its own are in. A router that is away gets them later."""
        if not groups:
            return
        try:
            await self._registrar.enter_groups(groups)
        except RouterAway:
            log.debug("groups_later", groups=len(groups))

    async def replace(self, before: set[str], after: set[str]) -> None:
        """Register for the groups that have users here now, and no more for those that have none."""
        abandoned = sorted(before - after)
        if abandoned:
            self._registrar.leave_groups(abandoned)
        await self.enter(sorted(after - before))

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    async def _join(self, users: list[str], group: str) -> None:
        await self.enter([group])
        for user in users:
            for connection in self._hub.of_user(user):
                if connection.session.state is State.OPEN:
                    connection.send(RESYNC)
