"""A gateway's end of the router in memory (interface.Registrar). RouterAway: another gateway has the name."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

import structlog

from process.supervision import keep_task_running
from router.interface import GatewayLease, NameTaken, Route, RouterAway, Snapshot
from router.leasing import LOOKS_A_RENEWAL, Claim, take_name

if TYPE_CHECKING:
    from router.memory.router import MemoryRouter

_log = structlog.get_logger()


class MemoryRegistrar:
    """Registers the connections of one life of one gateway."""

    def __init__(self, router: MemoryRouter) -> None:
        self._router = router
        self._address = ""
        self._has_name = False
        self._renewing: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"MemoryRegistrar({self._address} {'live' if self.connected else 'idle'})"

    @property
    def connected(self) -> bool:
        """From `start` to `close`, while the name is ours."""
        return self._has_name

    async def start(
        self,
        lease: Callable[[], GatewayLease],
        snapshot: Callable[[], Snapshot],
        on_reregistered: Callable[[], None],
        on_name_lost: Callable[[NameTaken], None],
    ) -> None:
        """See interface.Registrar."""
        self._lease, self._snapshot = lease, snapshot
        self._on_reregistered, self._on_name_lost = on_reregistered, on_name_lost
        self._address = lease().address
        await take_name(self._claim, self._look_away)
        self._router.restore(self._address, snapshot())
        self._router.sweep()
        self._renewing = keep_task_running("lease", self._keep_lease)

    async def register(self, route: Route, at_most: int = 0) -> int:
        """See interface.Registrar."""
        self._require_name()
        return self._router.log_in(self._address, route, at_most)

    def unregister(self, route: Route) -> None:
        """See interface.Registrar."""
        self._router.unregister(self._address, route)

    async def enter_groups(self, groups: Iterable[str]) -> None:
        """See interface.Registrar."""
        self._require_name()
        self._router.enter(self._address, groups)

    def leave_groups(self, groups: Iterable[str]) -> None:
        """See interface.Registrar."""
        self._router.leave(self._address, groups)

    async def rivals(self, users: Iterable[str]) -> list[tuple[str, Route]]:
        """See interface.Registrar."""
        self._require_name()
        return self._router.rivals(self._address, users)

    async def renew(self) -> None:
        """See interface.Registrar."""
        if self._renewing is None:
            raise RouterAway("not started, or closed")
        claim = await self._claim()
        self._require_name()
        if not claim.was_ours:
            self._register_again()

    async def close(self) -> None:
        """See interface.Registrar."""
        renewing, self._renewing = self._renewing, None
        if renewing is None:
            return
        renewing.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await renewing
        self._has_name = False
        self._router.resign(self._lease())

    def _require_name(self) -> None:
        if not self._has_name:
            raise RouterAway("our name is another's, or not taken yet")

    async def _claim(self) -> Claim:
        claim = self._router.claim(self._lease())
        self._has_name = claim.holder is None
        return claim

    async def _look_away(self) -> None:
        """Until the next look at another's lease."""
        await asyncio.sleep(self._router.renew_s / LOOKS_A_RENEWAL)

    async def _keep_lease(self) -> None:
        try:
            while True:
                await asyncio.sleep(self._router.renew_s)
                if not await take_name(self._claim, self._look_away):
                    self._register_again()
        except NameTaken as taken:
            _log.error("router_name_lost", gateway=self._address, to=taken.holder.address)
            self._router.resign(self._lease())
            self._on_name_lost(taken)

    def _register_again(self) -> None:
        _log.warning("router_lease_lost", gateway=self._address)
        self._router.restore(self._address, self._snapshot())
        asyncio.get_running_loop().call_soon(self._on_reregistered)
