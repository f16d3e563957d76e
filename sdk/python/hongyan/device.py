"""A device: stays connected, stays in step, and gets every message of its own through (protocol.md section 5).

Laws: after each login one sync, then what has no answer is sent again (`outbox.py`). A gap or `resync` is followed
by one sync. After the store was restored from a backup the device begins anew, as a new one.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterable, Sequence
from typing import Any, Literal

from hongyan.connection import Connection, Frame, Lost, Refused, retry_pause
from hongyan.outbox import Outbox, SendObserver
from hongyan.session import Session
from hongyan.state import Apply, Conversations, Event, Gap, Message, Restored, Started
from hongyan.sync import Sync
from hongyan.wire import LOGIN_REFUSED

MANY_AT_ONCE = 1_000_000

Reason = Literal["gap", "resync", "reconnect", "login"]


class Observer(SendObserver):
    """Told of everything that happens to a device, at once and in order; what is not overridden takes no notice. Must
    not raise."""

    def connected(self, login: dict[str, Any]) -> None:
        """Logged in; `login` is the reply's data."""

    def started(self, conversation: str, after: int) -> None:
        """The device applies what this conversation has after the seq `after`, and lacks all up to it."""

    def received(self, message: Message) -> None:
        """A message was pushed; whether it is applied, now or later, is another matter."""

    def applied(self, message: Message) -> None:
        """The next message of its conversation, one's own included: each once and in order."""

    def restored(self) -> None:
        """The store was put back to a backup: what was applied so far may not exist any more, and its seqs will name
        other messages. Forget it; `started` and `applied` begin anew. A message that was acknowledged after the backup
        was made is lost, and is not sent again by itself; one that has no answer yet is."""

    def pushed(self, frame: Frame) -> None:
        """Any other push: receipt, kicked, reconnect ..."""

    def disturbed(self, reason: Reason) -> None:
        """Something may be missing, so a sync begins."""

    def synced(self, reason: Reason) -> None:
        """The sync for this reason is over."""

    def lost(self, lost: Lost) -> None:
        """The connection is gone, or none could be had; unless `lost.is_final` the device tries again."""


class Device:
    """`login` is the data of the login frame; with a `session` its token is of that, and refreshed in time. With more
    than one url another is taken when one does not answer. Of one conversation at most `at_once` messages are on their
    way at a time; with 1 they keep their order whatever fails."""

    def __init__(
        self,
        urls: Sequence[str],
        login: dict[str, Any],
        observer: Observer,
        at_once: int = MANY_AT_ONCE,
        session: Session | None = None,
    ) -> None:
        self._urls = itertools.cycle(urls)
        self._login = login
        self._session = session
        self._is_token_fresh = False
        self._observer = observer
        self._connection: Connection | None = None
        self._outbox = Outbox(observer, self._stored, at_once)
        self._wanted: Reason | None = None
        self._wake = asyncio.Event()
        self._after_ms: int | None = None
        self.user = ""
        self.state = Conversations()
        self.in_step = asyncio.Event()

    def __repr__(self) -> str:
        where = "in step" if self.in_step.is_set() else "connected" if self._connection else "away"
        return f"Device({self.user or '-'}, {where}, {len(self._outbox)} unanswered, {self.state})"

    async def run(self) -> Lost:
        """Stay connected until the gateway says to stop; that is returned. Cancel it to leave."""
        if self._session is None:
            return await self._stay_connected()
        keeping = asyncio.create_task(self._session.keep())
        try:
            return await self._stay_connected()
        finally:
            keeping.cancel()

    async def _stay_connected(self) -> Lost:
        tries = 0
        while True:
            try:
                connection = await Connection.open(next(self._urls), await self._login_data(), self._on_push)
                tries = 0
                self._is_token_fresh = False
                lost = await self._attend(connection)
            except Lost as failed:
                lost = failed
            self._observer.lost(lost)
            if lost.is_final and not self._may_log_in_again(lost):
                self._outbox.give_up(lost)
                return lost
            pause = retry_pause(tries) if self._after_ms is None else self._after_ms / 1000
            self._after_ms = None
            tries += 1
            await asyncio.sleep(pause)

    async def _login_data(self) -> dict[str, Any]:
        return self._login if self._session is None else {**self._login, "token": await self._session.token()}

    def _may_log_in_again(self, lost: Lost) -> bool:
        """Whether another token may be better than the one that was refused: once, until a login succeeds."""
        if self._session is None or self._is_token_fresh or lost.code != LOGIN_REFUSED:
            return False
        self._session.expire()
        self._is_token_fresh = True
        return True

    async def call(self, op: str, data: dict[str, Any]) -> dict[str, Any]:
        """One request over the present connection. Raises Refused; Lost: no connection, or no answer."""
        if self._connection is None:
            raise Lost(0, "not connected")
        return await self._connection.call(op, data)

    def send(
        self, conversation: str, body: dict[str, Any], type_: str = "text", cid: str = "", **more: Any
    ) -> asyncio.Future[dict[str, Any]]:
        """Send a message, however often it takes. The future gives the reply's data, or raises Refused or Lost."""
        return self._outbox.send({"conversation": conversation, "cid": cid, "type": type_, "body": body, **more})

    @property
    def untried(self) -> int:
        """How many messages were never on their way."""
        return self._outbox.untried

    async def _attend(self, connection: Connection) -> Lost:
        """One connection, from its login until it is lost."""
        self._connection = connection
        self.user = connection.login["user"]["id"]
        self._observer.connected(connection.login)
        self._handle(self.state.enter(connection.login["epoch"]))
        self._want("login" if self.state.is_new else "reconnect")
        keeper = asyncio.create_task(self._keep_in_step(connection))
        try:
            lost = await connection.lost()
        finally:
            self._connection = None
            self.state.distrust()  # what the next one pushes right behind its login waits for the sync
            self.in_step.clear()
            self._outbox.close()
            keeper.cancel()
            await connection.close()
            await asyncio.wait({keeper})
        if not keeper.cancelled() and (error := keeper.exception()) is not None:
            raise error
        return lost

    def _on_push(self, frame: Frame) -> None:
        if frame["op"] == "message":
            self._observer.received(frame["data"])
            self._handle(self.state.receive(frame["data"]))
        elif frame["op"] == "resync":
            self.state.distrust()
            self._want("resync")
        else:
            if frame["op"] == "reconnect":
                self._after_ms = frame["data"]["after"]
            self._observer.pushed(frame)

    def _want(self, reason: Reason) -> None:
        """A sync, or after the one under way another."""
        self._observer.disturbed(reason)
        self._wanted = reason
        self._wake.set()

    def _handle(self, events: Iterable[Event]) -> None:
        for event in events:
            match event:
                case Started(conversation, after):
                    self._observer.started(conversation, after)
                case Apply(message):
                    self._observer.applied(message)
                case Gap():
                    self._want("gap")
                case Restored():
                    self._observer.restored()

    def _stored(self, data: dict[str, Any], reply: dict[str, Any]) -> None:
        """A message of our own has its place: nobody pushes it to us."""
        own = {**data, "sender": self.user, "seq": reply["seq"], "time": reply["time"]}
        self._handle(self.state.receive(own))

    async def _keep_in_step(self, connection: Connection) -> None:
        sync = Sync(connection, self.state, self._handle)
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._sync_as_wanted(connection, sync)
        except Lost:
            return
        except Refused:
            await connection.close()
            raise

    async def _sync_as_wanted(self, connection: Connection, sync: Sync) -> None:
        while self._wanted is not None:
            reason, self._wanted = self._wanted, None
            if not await sync.run():
                self._want("resync")
            self._observer.synced(reason)
            if self._wanted is None:
                self._handle(self.state.settle())
        if not self.in_step.is_set():
            self.in_step.set()
            self._outbox.open(connection)
