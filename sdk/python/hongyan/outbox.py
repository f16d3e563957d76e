"""What a device has sent and has no final answer for (protocol.md section 5, "What a client does").

Laws:
- A send ends with its reply or a refusal that no repetition changes, and by nothing else. It is sent again under the
  same cid: over each new connection once the device is in step there, and wherever an answer does not come.
- Of a conversation only the oldest send without an answer is sent again; all that come after it wait for its answer.
- With `at_once` 1 a conversation's sends are stored in the order in which they were made, whatever fails.
"""

from __future__ import annotations

import asyncio
import itertools
import secrets
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hongyan.connection import ANSWER_S, Connection, Frame, Lost, Refused, retry_pause

Data = dict[str, Any]


class SendObserver:
    """Told of every send, at once and in order; what is not overridden takes no notice. Must not raise.

    `data` is that of the `message.send` frame.
    """

    def sent(self, data: Data, connection: str) -> None:
        """It goes out, for the first time or again, over the connection of this name."""

    def acked(self, data: Data, reply: Data) -> None:
        """The reply to a try came; to an earlier one perhaps, so it may come twice."""

    def refused(self, data: Data, code: str) -> None:
        """A try was refused, with a code of docs/protocol.md section 4, or got no answer in time: `timeout`."""


@dataclass(eq=False, slots=True)
class _Send:
    """A message.send that has no final answer yet. `timer` runs while an answer or the next try is waited for."""

    data: Data
    outcome: asyncio.Future[Data]
    tries: int = 0
    is_under_way: bool = False
    timer: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        """It is not on its way any more, and no try is due."""
        self.is_under_way = False
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None


@dataclass(eq=False, slots=True)
class _Lane:
    """A conversation's sends in order: those that were on their way, then those that never were. Of the former, `again`
    need another try or are on it."""

    tried: deque[_Send] = field(default_factory=deque)
    untried: deque[_Send] = field(default_factory=deque)
    again: set[_Send] = field(default_factory=set)

    def __len__(self) -> int:
        return len(self.tried) + len(self.untried)

    def next(self, at_once: int) -> _Send | None:
        """What may go out now; None where it has to wait for what goes before it."""
        if self.again:
            oldest = self.tried[0]
            return None if oldest.is_under_way or oldest.timer is not None else oldest
        if not self.untried or len(self.tried) >= at_once:
            return None
        send = self.untried.popleft()
        self.tried.append(send)
        return send

    def stop(self) -> None:
        """Nothing is on its way any more."""
        self.again.update(self.tried)
        for send in self.tried:
            send.stop()


class Outbox:
    """`stored` is called with what was sent and its reply, before the sender hears of it. Of one conversation at most
    `at_once` sends are on their way at a time."""

    def __init__(self, observer: SendObserver, stored: Callable[[Data, Data], None], at_once: int) -> None:
        self._observer = observer
        self._stored = stored
        self._at_once = at_once
        self._connection: Connection | None = None
        self._lanes: dict[str, _Lane] = {}
        self._cid_prefix = secrets.token_hex(6)
        self._cids = itertools.count(1)

    def __repr__(self) -> str:
        return f"Outbox({len(self)} unanswered, {self._connection or 'waiting'})"

    def __len__(self) -> int:
        return sum(map(len, self._lanes.values()))

    @property
    def untried(self) -> int:
        """How many of the sends were never on their way."""
        return sum(len(lane.untried) for lane in self._lanes.values())

    def send(self, data: Data) -> asyncio.Future[Data]:
        """Send a message, however often it takes; an empty cid is filled in. The future raises Refused or Lost."""
        data["cid"] = data["cid"] or f"{self._cid_prefix}.{next(self._cids)}"
        send = _Send(data, asyncio.get_running_loop().create_future())
        self._lanes.setdefault(data["conversation"], _Lane()).untried.append(send)
        self._advance(data["conversation"])
        return send.outcome

    def open(self, connection: Connection) -> None:
        """The device is in step on a new connection: what has no answer goes out, and what is sent from now on."""
        self._connection = connection
        for conversation in list(self._lanes):
            self._advance(conversation)

    def close(self) -> None:
        """The connection is lost: everything waits for the next."""
        self._connection = None
        for lane in self._lanes.values():
            lane.stop()

    def give_up(self, lost: Lost) -> None:
        """There will be no other connection."""
        lanes, self._lanes = self._lanes, {}
        for lane in lanes.values():
            lane.stop()
            for send in (*lane.tried, *lane.untried):
                if not send.outcome.done():
                    send.outcome.set_exception(lost)

    def _advance(self, conversation: str) -> None:
        """Transmit what may go out now: nothing overtakes one that is tried again."""
        connection, lane = self._connection, self._lanes.get(conversation)
        if connection is None or lane is None:
            return
        while (send := lane.next(self._at_once)) is not None:
            self._transmit(send, connection)

    def _transmit(self, send: _Send, connection: Connection) -> None:
        send.tries += 1
        send.is_under_way = True
        send.timer = asyncio.get_running_loop().call_later(ANSWER_S, self._unanswered, send)
        self._observer.sent(send.data, connection.name)
        connection.ask("message.send", send.data, lambda frame: self._answered(send, frame))

    def _unanswered(self, send: _Send) -> None:
        self._observer.refused(send.data, "timeout")
        self._try_again(send)

    def _try_again(self, send: _Send) -> None:
        self._stop(send)
        self._advance(send.data["conversation"])

    def _answered(self, send: _Send, frame: Frame) -> None:
        data = frame["data"]
        if frame["op"] == "reply":
            self._observer.acked(send.data, data)
            if self._settle(send):
                self._stored(send.data, data)
                send.outcome.set_result(data)
        else:
            self._observer.refused(send.data, data["code"])
            if data["retry"]:
                self._pause(send, data.get("retry_after", 0))
            elif self._settle(send):
                send.outcome.set_exception(Refused(data))
        self._advance(send.data["conversation"])

    def _pause(self, send: _Send, retry_after_s: float) -> None:
        if not send.is_under_way:
            return  # a late answer to an earlier try
        self._stop(send)
        pause = retry_pause(send.tries, retry_after_s)
        send.timer = asyncio.get_running_loop().call_later(pause, self._try_again, send)

    def _stop(self, send: _Send) -> None:
        """It needs another try."""
        send.stop()
        self._lanes[send.data["conversation"]].again.add(send)

    def _settle(self, send: _Send) -> bool:
        """It has its final answer. False: it had one before, or nobody waits for it any more."""
        conversation = send.data["conversation"]
        lane = self._lanes.get(conversation)
        if lane is None or send not in lane.tried:
            return False
        send.stop()
        lane.tried.remove(send)  # answers come nearly in order, so it is one of the first
        lane.again.discard(send)
        if not len(lane):
            del self._lanes[conversation]
        return not send.outcome.done()
