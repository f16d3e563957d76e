"""A device: stays connected, stays in step, and gets every message of its own through (protocol.md section 5).

Laws: after each login one sync, then what has no answer is sent again under the same cid. A gap or `resync` is followed
by one sync. A send ends with its reply or a refusal that no repetition changes, and by nothing else.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import secrets
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from scripts.chat_connection import ANSWER_S, Connection, Frame, Lost, Refused
from scripts.chat_state import Apply, Conversations, Event, Gap, Message, Started

HISTORY_LIMIT = 200
LIST_LIMIT = 200
FIRST_RETRY_S = 0.1
LAST_RETRY_S = 2.0

Reason = Literal["gap", "resync", "reconnect", "login"]


class Observer(Protocol):
    """Told of everything that happens to a device, at once and in order. Must not raise."""

    def connected(self, login: dict[str, Any]) -> None: ...

    def started(self, conversation: str, after: int) -> None: ...

    def received(self, message: Message) -> None:
        """A message was pushed; whether it is applied, now or later, is another matter."""

    def applied(self, message: Message) -> None: ...

    def pushed(self, frame: Frame) -> None:
        """Any other push: receipt, kicked, reconnect ..."""

    def sent(self, data: dict[str, Any], connection: str) -> None: ...

    def acked(self, data: dict[str, Any], reply: dict[str, Any]) -> None: ...

    def refused(self, data: dict[str, Any], code: str) -> None: ...

    def disturbed(self, reason: Reason) -> None: ...

    def synced(self, reason: Reason) -> None: ...

    def lost(self, lost: Lost) -> None: ...


@dataclass(eq=False, slots=True)
class _Send:
    """A message.send that has no final answer yet."""

    data: dict[str, Any]
    outcome: asyncio.Future[dict[str, Any]]
    tries: int = 0
    timer: asyncio.TimerHandle | None = None


def _pause(tries: int) -> float:
    """Longer with each try, with jitter, so that a thousand clients do not come back together."""
    return random.uniform(0.5, 1.0) * min(LAST_RETRY_S, FIRST_RETRY_S * 2.0 ** min(tries, 10))


class Device:
    """`login` is the data of the login frame. With more than one url another is taken when one does not answer."""

    def __init__(self, urls: Sequence[str], login: dict[str, Any], observer: Observer) -> None:
        self._urls = itertools.cycle(urls)
        self._login = login
        self._observer = observer
        self._connection: Connection | None = None
        self._sends: dict[str, _Send] = {}
        self._wanted: Reason | None = None
        self._wake = asyncio.Event()
        self._after_ms: int | None = None
        self._has_been_connected = False
        self._cid_prefix = secrets.token_hex(6)
        self._cids = itertools.count(1)
        self.user = ""
        self.state = Conversations()
        self.in_step = asyncio.Event()

    def __repr__(self) -> str:
        where = "in step" if self.in_step.is_set() else "connected" if self._connection else "away"
        return f"Device({self.user or '-'}, {where}, {len(self._sends)} unanswered, {self.state})"

    async def run(self) -> Lost:
        """Stay connected until the gateway says to stop; that is returned. Cancel it to leave."""
        tries = 0
        while True:
            try:
                connection = await Connection.open(next(self._urls), self._login, self._on_push)
                tries = 0
                lost = await self._attend(connection)
            except Lost as failed:
                lost = failed
            self._observer.lost(lost)
            if lost.is_final:
                self._give_up(lost)
                return lost
            pause = _pause(tries) if self._after_ms is None else self._after_ms / 1000
            self._after_ms = None
            tries += 1
            await asyncio.sleep(pause)

    async def call(self, op: str, data: dict[str, Any]) -> dict[str, Any]:
        """One request over the present connection. Raises Refused; Lost: no connection, or no answer."""
        if self._connection is None:
            raise Lost(0, "not connected")
        return await self._connection.call(op, data)

    def send(
        self, conversation: str, body: dict[str, Any], type_: str = "text", cid: str = "", **more: Any
    ) -> asyncio.Future[dict[str, Any]]:
        """Send a message, however often it takes. The future gives the reply's data, or raises Refused or Lost."""
        cid = cid or f"{self._cid_prefix}.{next(self._cids)}"
        data = {"conversation": conversation, "cid": cid, "type": type_, "body": body, **more}
        send = self._sends[cid] = _Send(data, asyncio.get_running_loop().create_future())
        self._transmit(send)
        return send.outcome

    async def _attend(self, connection: Connection) -> Lost:
        """One connection, from its login until it is lost."""
        self._connection = connection
        self.user = connection.login["user"]["id"]
        self._observer.connected(connection.login)
        self.state.distrust()
        self._want("reconnect" if self._has_been_connected else "login")
        keeper = asyncio.create_task(self._keep_in_step(connection))
        try:
            lost = await connection.lost()
        finally:
            self._connection = None
            self.in_step.clear()
            keeper.cancel()
            await connection.close()
            await asyncio.wait({keeper})
        if not keeper.cancelled() and (error := keeper.exception()) is not None:
            raise error
        return lost

    def _give_up(self, lost: Lost) -> None:
        sends, self._sends = self._sends, {}
        for send in sends.values():
            if send.timer is not None:
                send.timer.cancel()
            if not send.outcome.done():
                send.outcome.set_exception(lost)

    # --- staying in step ---

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

    async def _keep_in_step(self, connection: Connection) -> None:
        try:
            if not self._has_been_connected:
                await self._learn(connection)
                self._has_been_connected = True
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self._sync_as_wanted(connection)
        except Lost:
            return
        except Refused:
            await connection.close()
            raise

    async def _sync_as_wanted(self, connection: Connection) -> None:
        while self._wanted is not None:
            reason, self._wanted = self._wanted, None
            await self._sync(connection)
            self._observer.synced(reason)
            if self._wanted is None:
                self._handle(self.state.settle())
        if not self.in_step.is_set():
            self.in_step.set()
            for send in list(self._sends.values()):
                self._transmit(send)

    async def _learn(self, connection: Connection) -> None:
        """A new device goes on from where its user has read."""
        request: dict[str, Any] = {"limit": LIST_LIMIT}
        while True:
            reply = await self._patiently(connection, "conversation.list", request)
            self._handle(self.state.learn(reply["conversations"]))
            if "next" not in reply:
                return
            request = {**request, "after": reply["next"]}

    async def _sync(self, connection: Connection) -> None:
        """One sync: all calls and pages that it takes."""
        for request in self.state.requests():
            while True:
                reply = await self._patiently(connection, "sync", request)
                self._handle(self.state.synced(request, reply))
                newest = {entry["conversation"]: entry["max_seq"] for entry in reply["conversations"]}
                for conversation in reply["more"]:
                    await self._fetch(connection, conversation, newest[conversation])
                if "next" not in reply:
                    break
                request = {**request, "after": reply["next"]}

    async def _fetch(self, connection: Connection, conversation: str, up_to: int) -> None:
        """Page on to `up_to`, or to where the user was put out of the conversation meanwhile."""
        while (last := self.state.last(conversation)) < up_to:
            request = {"conversation": conversation, "after": last, "limit": HISTORY_LIMIT}
            try:
                reply = await self._patiently(connection, "message.history", request)
            except Refused:
                return
            self._handle(self.state.page(reply["messages"]))
            if self.state.last(conversation) == last:
                return

    async def _patiently(self, connection: Connection, op: str, data: dict[str, Any]) -> dict[str, Any]:
        """Again as long as the answer is that later may be better. Raises Refused, Lost."""
        for tries in itertools.count(1):
            try:
                return await connection.call(op, data)
            except Refused as refused:
                if not refused.retry:
                    raise
            await asyncio.sleep(_pause(tries))
        raise AssertionError

    # --- sending until there is an answer ---

    def _transmit(self, send: _Send) -> None:
        if send.timer is not None:
            send.timer.cancel()
        connection = self._connection
        if connection is None or not self.in_step.is_set() or send.data["cid"] not in self._sends:
            return
        send.tries += 1
        send.timer = asyncio.get_running_loop().call_later(ANSWER_S, self._unanswered, send)
        self._observer.sent(send.data, connection.name)
        connection.ask("message.send", send.data, lambda frame: self._answered(send, frame))

    def _unanswered(self, send: _Send) -> None:
        self._observer.refused(send.data, "timeout")
        self._transmit(send)

    def _answered(self, send: _Send, frame: Frame) -> None:
        data = frame["data"]
        if frame["op"] == "reply":
            self._observer.acked(send.data, data)
            if self._settle(send):
                own = {**send.data, "sender": self.user, "seq": data["seq"], "time": data["time"]}
                self._handle(self.state.receive(own))
                send.outcome.set_result(data)
            return
        self._observer.refused(send.data, data["code"])
        if not data["retry"]:
            if self._settle(send):
                send.outcome.set_exception(Refused(data))
        elif send.timer is not None:
            send.timer.cancel()
            send.timer = asyncio.get_running_loop().call_later(_pause(send.tries), self._transmit, send)

    def _settle(self, send: _Send) -> bool:
        """It has its final answer. False: it had one before, or nobody waits for it any more."""
        if send.timer is not None:
            send.timer.cancel()
        known = self._sends.get(send.data["cid"]) is send
        if known:
            del self._sends[send.data["cid"]]
        return known and not send.outcome.done()
