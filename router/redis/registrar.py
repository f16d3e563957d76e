"""A gateway's end of the router in Redis (interface.Registrar).

Laws:
- One task owns the connection. It sends what is queued, in order, as pipelines; while one is on its way the next
  gathers, so a storm of logins makes large pipelines and a single login waits for nobody.
- After any doubt (a lost connection, a refused write, a lease that was gone, a full queue) Redis is made to hold
  exactly what `snapshot()` holds, before anything that was queued later.
- While Redis is away, or our name another's, writes fail at once, and removals are dropped: the next snapshot is
  without them.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

import structlog

from process.supervision import keep_task_running
from router.interface import LEASE_S, RENEW_S, GatewayLease, NameTaken, Route, RouterAway, Snapshot, TooManyConnections
from router.leasing import LOOKS_A_RENEWAL, Claim, take_name
from router.redis.address import RedisAddress
from router.redis.commands import Command, GatewayCommands
from router.redis.keys import Keys
from router.redis.ordered_connection import OrderedConnection
from router.redis.restoring import restore
from router.redis.sweeping import sweep_dead_gateways
from router.redis.write_queue import MAX_BATCH, Write, WriteQueue

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
    LOST = "lost"  # the name is another's
    CLOSED = "closed"


class _Closing(Exception):
    """`close` was called."""


class RedisRegistrar:
    """Registers the connections of one life of one gateway. `lease_s` and `renew_s` are shorter in tests."""

    def __init__(self, redis: RedisAddress, keys: Keys, lease_s: float = LEASE_S, renew_s: float = RENEW_S) -> None:
        self._connection = OrderedConnection(redis)
        self._keys = keys
        self._lease_ms = int(lease_s * 1000)
        self._renew_s = renew_s
        self._state = _State.AWAY
        self._queue = WriteQueue()
        self._tried = asyncio.Event()
        self._live = asyncio.Event()
        self._renew_at = 0.0
        self._doubt = False
        self._closing = False
        self._has_started = self._had_name = False
        self._taken: NameTaken | None = None
        self._address = ""
        self._tasks: list[asyncio.Task[None]] = []

    def __repr__(self) -> str:
        return f"RedisRegistrar({self._address} {self._state.value}, {len(self._queue)} queued)"

    @property
    def connected(self) -> bool:
        """Whether Redis holds everything that this gateway holds, as far as is known."""
        return self._state is _State.LIVE

    async def start(
        self,
        lease: Callable[[], GatewayLease],
        snapshot: Callable[[], Snapshot],
        on_reregistered: Callable[[], None],
        on_name_lost: Callable[[NameTaken], None],
    ) -> None:
        """See interface.Registrar. Returns after the first attempt, whether it succeeded or Redis was away."""
        self._lease, self._snapshot = lease, snapshot
        self._on_reregistered, self._on_name_lost = on_reregistered, on_name_lost
        self._address = lease().address
        self._commands = GatewayCommands(self._keys, self._address)
        self._tasks = [
            keep_task_running("router-writer", self._run),
            keep_task_running("router-sweeper", self._sweep),
        ]
        await self._tried.wait()
        if self._taken is not None:
            raise self._taken
        self._has_started = True

    async def register(self, route: Route, at_most: int = 0) -> int:
        """See interface.Registrar."""
        login = int(await self._write(self._commands.login(route, at_most)))
        if login < 0:
            raise TooManyConnections(f"{route.user} has {at_most} connections")
        return login

    def unregister(self, route: Route) -> None:
        """See interface.Registrar."""
        self._enqueue(self._commands.unregister(route))

    async def enter_groups(self, groups: Iterable[str]) -> None:
        """See interface.Registrar."""
        names = list(groups)
        # All are queued before anything is awaited, or a leave could come between them.
        queued = [
            self._queued(self._commands.enter(names[start : start + MAX_GROUPS_A_WRITE]))
            for start in range(0, len(names), MAX_GROUPS_A_WRITE)
        ]
        await asyncio.gather(*queued)

    def leave_groups(self, groups: Iterable[str]) -> None:
        """See interface.Registrar."""
        names = list(groups)
        for start in range(0, len(names), MAX_GROUPS_A_WRITE):
            self._enqueue(self._commands.leave(names[start : start + MAX_GROUPS_A_WRITE]))

    async def rivals(self, users: Iterable[str]) -> list[tuple[str, Route]]:
        """See interface.Registrar."""
        names = list(users)
        found: list[tuple[str, Route]] = []
        for start in range(0, len(names), MAX_USERS_A_READ):
            asked = self._commands.rivals(names[start : start + MAX_USERS_A_READ])
            found += self._commands.read_rivals(await self._write(asked))
        return found

    async def renew(self) -> None:
        """See interface.Registrar."""
        await self._write(None)

    async def close(self) -> None:
        """Write what is queued, give the lease up and forget this epoch's entries; all that within 1 s."""
        if self._closing:
            return
        self._closing = True
        self._queue.wake()
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
        is_queued = self._queue.put(Write(command, done))
        self._doubt = self._doubt or not is_queued
        return is_queued

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
        self._queue.fail()

    # --- the task that owns the connection ---

    async def _run(self) -> None:
        while not self._closing:
            try:
                await self._connection.open()
                await self._restore()
                await self._serve()
                await self._resign()
            except _Closing:
                pass
            except NameTaken as taken:
                await self._lose(taken)
                return
            except RouterAway as error:
                _log.warning("router_away", gateway=self._address, reason=str(error))
            except Exception:
                _log.exception("router_writer_failed", gateway=self._address)
                await self._connection.close()
            self._fail_queued(_State.AWAY)
            self._tried.set()
            await self._pause(RETRY_S)

    async def _pause(self, seconds: float) -> None:
        """So long, or until `close`."""
        if not self._closing:
            await self._queue.wait(seconds)

    async def _take_name(self) -> None:
        """Have the lease. Raises NameTaken."""
        if self._has_started and not self._had_name:
            # Redis was away when we started, and may come back empty: who had our name before is to ask for it first.
            await self._wait(self._renew_s)
        await take_name(self._claim, self._look_away)

    async def _claim(self) -> Claim:
        return self._claimed((await self._connection.run([self._renewal()]))[0])

    def _claimed(self, answer: Any) -> Claim:
        claim = self._commands.read_claim(answer)
        if claim.holder is None:
            self._had_name = True
            self._renew_at = asyncio.get_running_loop().time() + self._renew_s
        return claim

    async def _look_away(self) -> None:
        """Until the next look at another's lease."""
        self._fail_queued(_State.AWAY)
        await self._wait(self._renew_s / LOOKS_A_RENEWAL)

    async def _wait(self, seconds: float) -> None:
        await self._pause(seconds)
        if self._closing:
            raise _Closing

    async def _lose(self, taken: NameTaken) -> None:
        """Leave nothing behind, and tell `start`, or whom it was told of."""
        _log.error("router_name_lost", gateway=self._address, to=taken.holder.address)
        self._fail_queued(_State.LOST)
        with contextlib.suppress(RouterAway):
            await self._forget_entries()
        self._taken = taken
        self._tried.set()
        if self._has_started:
            self._on_name_lost(taken)

    async def _restore(self) -> None:
        self._doubt = False
        await self._take_name()
        # From here on writes are queued behind the snapshot, which is taken in the same turn of the loop.
        self._state = _State.RESTORING
        snapshot = self._snapshot()
        await self._connection.run([self._commands.announce()])
        await restore(self._connection, self._commands, snapshot)
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

    async def _next_batch(self) -> list[Write]:
        """What is queued, after a renewal if one is due; waits for either. Empty once all is written and we close."""
        loop = asyncio.get_running_loop()
        while not self._queue and not self._closing and (left_s := self._renew_at - loop.time()) > 0:
            await self._queue.wait(left_s)
        batch = self._queue.take()
        # A process that was stopped for a while meets its overdue renewal here, before it writes anything else.
        if loop.time() >= self._renew_at and not self._closing:
            batch.insert(0, Write(None))
        return batch

    async def _send(self, batch: list[Write]) -> None:
        try:
            answers = await self._connection.run([write.command or self._renewal() for write in batch])
        except BaseException:
            for write in batch:
                write.fail()
            raise
        for write, answer in zip(batch, answers, strict=True):
            if write.command is None and not (claim := self._claimed(answer)).was_ours:
                # Redis was emptied, or we were taken for dead.
                self._doubt = True
                _log.warning("router_lease_lost", gateway=self._address)
                if claim.holder is not None:
                    write.fail()
            write.answer(answer)

    def _renewal(self) -> Command:
        return self._commands.claim(self._lease(), self._lease_ms)

    async def _resign(self) -> None:
        """Give the lease up first: a sweep spares the living."""
        await self._connection.run([self._commands.resign()])
        await self._forget_entries()

    async def _forget_entries(self) -> None:
        while (await self._connection.run([self._commands.sweep(self._address, MAX_BATCH)]))[0] > 0:
            pass

    async def _sweep(self) -> None:
        while True:
            await self._live.wait()
            await sweep_dead_gateways(self._write, self._commands)
            await asyncio.sleep(SWEEP_EVERY_S)
