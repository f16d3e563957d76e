"""A gateway's end of the router in Redis (interface.Registrar).

Laws:
- One task owns the connection. It sends what is queued, in order, as pipelines; while one is on its way the next
  gathers, so a storm of logins makes large pipelines and a single login waits for nobody.
- After any doubt (a lost connection, a refused write, a lease that was gone, a full queue) Redis is made to hold
  exactly what `snapshot()` holds, before anything that was queued later.
- While Redis is away writes fail at once, and removals are dropped: the next snapshot is without them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import deque
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any, NamedTuple

import structlog

from router import redis_commands
from router.address import RedisAddress
from router.interface import LEASE_S, RENEW_S, GatewayLease, Route, RouterAway, Snapshot, TooManyConnections
from router.ordered_connection import OrderedConnection
from router.records import read_lease
from router.redis_commands import Command
from router.restoring import restore
from router.sweeping import sweep_dead_gateways

MAX_BATCH = 200
MAX_QUEUED = 20_000
RETRY_S = 0.5
CLOSE_S = 1.0
SWEEP_EVERY_S = 60.0
MAX_GROUPS_A_WRITE = 200
MAX_USERS_A_READ = 200

_log = structlog.get_logger()


class _State(Enum):
    AWAY = "away"
    RESTORING = "restoring"
    LIVE = "live"
    CLOSED = "closed"


class _Write(NamedTuple):
    """A queued command and who waits for its answer. Without a command it is a renewal of the lease as it then is."""

    command: Command | None
    done: asyncio.Future[Any] | None


class RedisRegistrar:
    """Registers the connections of one life of one gateway. `lease_s` and `renew_s` are shorter in tests."""

    def __init__(self, redis: RedisAddress, lease_s: float = LEASE_S, renew_s: float = RENEW_S) -> None:
        self._connection = OrderedConnection(redis)
        self._lease_ms = int(lease_s * 1000)
        self._renew_s = renew_s
        self._state = _State.AWAY
        self._queue: deque[_Write] = deque()
        self._arrived = asyncio.Event()
        self._tried = asyncio.Event()
        self._live = asyncio.Event()
        self._renew_at = 0.0
        self._doubt = False
        self._closing = False
        self._has_started = False
        self._address = ""
        self._tasks: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        return f"RedisRegistrar({self._address} {self._state.value}, {len(self._queue)} queued)"

    @property
    def connected(self) -> bool:
        """Whether Redis holds everything that this gateway holds, as far as is known."""
        return self._state is _State.LIVE

    async def start(
        self, lease: Callable[[], GatewayLease], snapshot: Callable[[], Snapshot], on_reregistered: Callable[[], None]
    ) -> None:
        """Announce the gateway and begin to sweep; returns after the first attempt, whether it succeeded or not."""
        self._lease, self._snapshot, self._on_reregistered = lease, snapshot, on_reregistered
        self._address = lease().address
        self._tasks = [asyncio.create_task(self._run()), asyncio.create_task(self._sweep())]
        await self._tried.wait()
        self._has_started = True

    async def register(self, route: Route, at_most: int = 0) -> int:
        """See interface.Registrar."""
        login = int(await self._write(redis_commands.login(self._address, route, at_most)))
        if login < 0:
            raise TooManyConnections(f"{route.user} has {at_most} connections")
        return login

    def unregister(self, route: Route) -> None:
        """See interface.Registrar."""
        self._enqueue(redis_commands.unregister(self._address, route))

    async def enter_groups(self, groups: Iterable[str]) -> None:
        """See interface.Registrar."""
        names = list(groups)
        # All are queued before anything is awaited, or a leave could come between them.
        queued = [
            self._queued(redis_commands.enter(self._address, names[start : start + MAX_GROUPS_A_WRITE]))
            for start in range(0, len(names), MAX_GROUPS_A_WRITE)
        ]
        await asyncio.gather(*queued)

    def leave_groups(self, groups: Iterable[str]) -> None:
        """See interface.Registrar."""
        names = list(groups)
        for start in range(0, len(names), MAX_GROUPS_A_WRITE):
            self._enqueue(redis_commands.leave(self._address, names[start : start + MAX_GROUPS_A_WRITE]))

    async def rivals(self, users: Iterable[str]) -> list[tuple[str, Route]]:
        """See interface.Registrar."""
        names = list(users)
        found: list[tuple[str, Route]] = []
        for start in range(0, len(names), MAX_USERS_A_READ):
            found += redis_commands.read_rivals(
                await self._write(redis_commands.rivals(self._address, names[start : start + MAX_USERS_A_READ]))
            )
        return found

    async def renew(self) -> None:
        """See interface.Registrar."""
        await self._write(None)

    async def close(self) -> None:
        """Write what is queued, give the lease up and forget this epoch's entries; all that within 1 s."""
        if self._closing:
            return
        self._closing = True
        self._arrived.set()
        if not self._tasks:
            return
        owner, sweeper = self._tasks
        sweeper.cancel()
        await asyncio.wait([owner, sweeper], timeout=CLOSE_S)
        owner.cancel()
        await asyncio.gather(owner, sweeper, return_exceptions=True)
        self._fail_queued(_State.CLOSED)
        await self._connection.close()

    # --- the queue ---

    def _enqueue(self, command: Command | None, done: asyncio.Future[Any] | None = None) -> bool:
        if self._closing or self._state not in (_State.RESTORING, _State.LIVE):
            return False
        if len(self._queue) >= MAX_QUEUED:
            self._doubt = True
            return False
        self._queue.append(_Write(command, done))
        self._arrived.set()
        return True

    def _queued(self, command: Command | None) -> asyncio.Future[Any]:
        """The answer to come of a command that is queued by this call, or RouterAway in its place."""
        done: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        if not self._enqueue(command, done):
            done.set_exception(RouterAway(f"the router is {self._state.value}, {len(self._queue)} writes wait"))
        return done

    async def _write(self, command: Command | None) -> Any:
        return await self._queued(command)

    def _fail_queued(self, state: _State) -> None:
        self._state = state
        self._live.clear()
        while self._queue:
            _fail(self._queue.popleft())

    # --- the task that owns the connection ---

    async def _run(self) -> None:
        while not self._closing:
            try:
                await self._connection.open()
                await self._restore()
                await self._serve()
                await self._resign()
            except RouterAway as error:
                _log.warning("router_away", gateway=self._address, reason=str(error))
            except Exception:
                _log.exception("router_writer_failed", gateway=self._address)
                await self._connection.close()
            self._fail_queued(_State.AWAY)
            self._tried.set()
            await self._pause()

    async def _pause(self) -> None:
        """Until the next attempt, or until `close`."""
        if not self._closing:
            self._arrived.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._arrived.wait(), RETRY_S)

    async def _restore(self) -> None:
        # From here on writes are queued behind the snapshot, which is taken in the same turn of the loop.
        self._state, self._doubt = _State.RESTORING, False
        snapshot = self._snapshot()
        await self._connection.run([self._renewal(), redis_commands.announce(self._address)])
        self._lease_is_written()
        await restore(self._connection, self._address, snapshot)
        self._state = _State.LIVE
        _log.info("router_registered", gateway=self._address, routes=len(snapshot.routes), groups=len(snapshot.groups))
        self._live.set()
        self._tried.set()
        if self._has_started:
            asyncio.get_running_loop().call_soon(self._on_reregistered)

    async def _serve(self) -> None:
        while True:
            if self._doubt:
                await self._restore()
            batch = await self._next_batch()
            if not batch:
                return
            await self._send(batch)

    async def _next_batch(self) -> list[_Write]:
        """What is queued, after a renewal if one is due; waits for either. Empty once all is written and we close."""
        loop = asyncio.get_running_loop()
        while not self._queue and not self._closing and loop.time() < self._renew_at:
            self._arrived.clear()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(self._renew_at):
                    await self._arrived.wait()
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), MAX_BATCH))]
        # A process that was stopped for a while meets its overdue renewal here, before it writes anything else.
        if loop.time() >= self._renew_at and not self._closing:
            batch.insert(0, _Write(None, None))
        return batch

    async def _send(self, batch: list[_Write]) -> None:
        try:
            answers = await self._connection.run([write.command or self._renewal() for write in batch])
        except BaseException:
            for write in batch:
                _fail(write)
            raise
        for write, answer in zip(batch, answers, strict=True):
            if write.command is None:
                self._lease_is_written()
                self._doubt = self._doubt or not self._was_ours(answer)
            if write.done is not None and not write.done.done():
                write.done.set_result(answer)

    def _renewal(self) -> Command:
        return redis_commands.lease(self._lease(), self._lease_ms)

    def _lease_is_written(self) -> None:
        self._renew_at = asyncio.get_running_loop().time() + self._renew_s

    def _was_ours(self, former: str | None) -> bool:
        """Whether a renewal replaced this epoch's lease: else Redis was emptied, or we were taken for dead."""
        ours = former is not None and read_lease(former).address == self._address
        if not ours:
            _log.warning("router_lease_lost", gateway=self._address)
        return ours

    async def _resign(self) -> None:
        """Give the lease up first: a sweep spares the living."""
        await self._connection.run([redis_commands.resign(self._address)])
        while (await self._connection.run([redis_commands.sweep(self._address, MAX_BATCH)]))[0] > 0:
            pass

    async def _sweep(self) -> None:
        while True:
            await self._live.wait()
            await sweep_dead_gateways(self._write, self._address)
            await asyncio.sleep(SWEEP_EVERY_S)


def _fail(write: _Write) -> None:
    if write.done is not None and not write.done.done():
        write.done.set_exception(RouterAway("the router went away"))
