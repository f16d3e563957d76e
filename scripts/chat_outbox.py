"""What a device has sent and has no final answer for (protocol.md section 5, "What a client does").

Laws: a send ends with its reply or a refusal that no repetition changes, and by nothing else. It is sent again under
the same cid: over each new connection once the device is in step there, and wherever an answer does not come.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from scripts.chat_connection import ANSWER_S, Connection, Frame, Lost, Refused, retry_pause

Data = dict[str, Any]


class SendObserver(Protocol):
    """Told of every send, at once and in order. Must not raise."""

    def sent(self, data: Data, connection: str) -> None: ...

    def acked(self, data: Data, reply: Data) -> None: ...

    def refused(self, data: Data, code: str) -> None: ...


@dataclass(eq=False, slots=True)
class _Send:
    """A message.send that has no final answer yet."""

    data: Data
    outcome: asyncio.Future[Data]
    tries: int = 0
    timer: asyncio.TimerHandle | None = None

    def stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()


class Outbox:
    """`stored` is called with what was sent and its reply, before the sender hears of it."""

    def __init__(self, observer: SendObserver, stored: Callable[[Data, Data], None]) -> None:
        self._observer = observer
        self._stored = stored
        self._connection: Connection | None = None
        self._sends: dict[str, _Send] = {}
        self._cid_prefix = secrets.token_hex(6)
        self._cids = itertools.count(1)

    def __repr__(self) -> str:
        return f"Outbox({len(self._sends)} unanswered, {self._connection or 'waiting'})"

    def __len__(self) -> int:
        return len(self._sends)

    def send(self, data: Data) -> asyncio.Future[Data]:
        """Send a message, however often it takes; an empty cid is filled in. The future raises Refused or Lost."""
        data["cid"] = cid = data["cid"] or f"{self._cid_prefix}.{next(self._cids)}"
        send = self._sends[cid] = _Send(data, asyncio.get_running_loop().create_future())
        self._transmit(send)
        return send.outcome

    def open(self, connection: Connection) -> None:
        """The device is in step on a new connection: what has no answer goes out, and what is sent from now on."""
        self._connection = connection
        for send in list(self._sends.values()):
            self._transmit(send)

    def close(self) -> None:
        """The connection is lost: everything waits for the next."""
        self._connection = None

    def give_up(self, lost: Lost) -> None:
        """There will be no other connection."""
        sends, self._sends = self._sends, {}
        for send in sends.values():
            send.stop_timer()
            if not send.outcome.done():
                send.outcome.set_exception(lost)

    def _transmit(self, send: _Send) -> None:
        send.stop_timer()
        if self._connection is None or send.data["cid"] not in self._sends:
            return
        send.tries += 1
        send.timer = asyncio.get_running_loop().call_later(ANSWER_S, self._unanswered, send)
        self._observer.sent(send.data, self._connection.name)
        self._connection.ask("message.send", send.data, lambda frame: self._answered(send, frame))

    def _unanswered(self, send: _Send) -> None:
        self._observer.refused(send.data, "timeout")
        self._transmit(send)

    def _answered(self, send: _Send, frame: Frame) -> None:
        data = frame["data"]
        if frame["op"] == "reply":
            self._observer.acked(send.data, data)
            if self._settle(send):
                self._stored(send.data, data)
                send.outcome.set_result(data)
            return
        self._observer.refused(send.data, data["code"])
        if not data["retry"]:
            if self._settle(send):
                send.outcome.set_exception(Refused(data))
        elif send.timer is not None:
            send.timer.cancel()
            pause = retry_pause(send.tries, data.get("retry_after", 0))
            send.timer = asyncio.get_running_loop().call_later(pause, self._transmit, send)

    def _settle(self, send: _Send) -> bool:
        """It has its final answer. False: it had one before, or nobody waits for it any more."""
        send.stop_timer()
        known = self._sends.get(send.data["cid"]) is send
        if known:
            del self._sends[send.data["cid"]]
        return known and not send.outcome.done()
