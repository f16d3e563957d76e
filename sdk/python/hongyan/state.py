"""What a device has of its conversations, by the rules of protocol.md section 5, "What a client does". Pure.

Laws: a message is applied when its seq is last + 1 and dropped when it is not above last, so each once and in order. A
gap makes the device stale; while it is stale, pushes wait in a buffer, and only a whole sync ends that. Under another
epoch the store has another history, in which seqs name other messages: nothing that was known before is believed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

MAX_CURSORS = 400

Message = dict[str, Any]


class Started(NamedTuple):
    """The device has nothing of the conversation up to `after`, and wants all beyond it."""

    conversation: str
    after: int


class Apply(NamedTuple):
    """The next message of its conversation."""

    message: Message


class Gap(NamedTuple):
    """Something before a message that came is missing: sync once."""

    conversation: str


class Restored(NamedTuple):
    """The store was put back to a backup, and the device has nothing any more: it begins anew, as a new one does."""

    epoch: str


Event = Started | Apply | Gap | Restored


class Conversations:
    """All conversations of one device. It is born stale: a login is followed by a sync. `is_new`: it has not learned
    yet how far its user has read."""

    def __init__(self) -> None:
        self.is_new = True
        self._epoch: str | None = None
        self._since: int | None = None
        self._began: int | None = None
        self._last: dict[str, int] = {}
        self._left: set[str] = set()
        self._gone: set[str] = set()
        self._ends: dict[str, int] = {}
        self._unfinished: dict[str, int] = {}
        self._waiting: list[Message] = []
        self._is_stale = True

    def __repr__(self) -> str:
        state = f"stale, {len(self._waiting)} waiting" if self._is_stale else "in step"
        return f"Conversations({len(self._last)}, {len(self._left)} left, {state})"

    def last(self, conversation: str) -> int:
        """The seq of the newest message that was applied."""
        return self._last.get(conversation, 0)

    def names(self) -> list[str]:
        """The conversations that the user is in, as far as the device knows."""
        return [name for name in self._last if name not in self._left]

    def enter(self, epoch: str) -> list[Event]:
        """The server has named the history that it has: after a login and before anything else, and with each sync.

        What waits goes with the rest: it was stored before the sync that must follow now, which brings it again if it
        still exists.
        """
        known, self._epoch = self._epoch, epoch
        if known in (None, epoch):
            return []
        for known_of_it in (self._last, self._left, self._gone, self._ends, self._unfinished, self._waiting):
            known_of_it.clear()
        self._since = self._began = None
        self._is_stale = self.is_new = True
        return [Restored(epoch)]

    def distrust(self) -> None:
        """Something may have been missed: what comes from now on waits for a sync."""
        self._is_stale = True

    def receive(self, message: Message) -> list[Event]:
        """A push, or what the device itself sent with the seq of its reply."""
        if self._is_stale:
            self._waiting.append(message)
            return []
        return self._take(message)

    def learn(self, views: Iterable[dict[str, Any]]) -> list[Event]:
        """A page of conversation.list: a new device goes on from where its user has read."""
        started: list[Event] = []
        for view in views:
            if view["conversation"] not in self._last:
                self._last[view["conversation"]] = view["read_seq"]
                started.append(Started(view["conversation"], view["read_seq"]))
        return started

    def learned(self) -> None:
        """That was the last page of conversation.list."""
        self.is_new = False

    @property
    def unnamed_since(self) -> int | None:
        """Since when (ms) this device must ask conversation.list what was active, as it has more conversations than a
        sync can name; None where it need not, or cannot."""
        return self._since if len(self.names()) > MAX_CURSORS else None

    def requests(self, active: Collection[str] | None = None) -> list[dict[str, Any]]:
        """The data of the sync calls that together are one sync, which begins. Cursors beyond 400 take calls of their
        own, for `active` conversations only, if these are given, and groups: one may have been put out of those."""
        self._began = None
        for told in (self._gone, self._ends, self._unfinished):
            told.clear()
        names = sorted(self.names())
        known = self._of_our_epoch()
        if self._since is not None:
            known["since"] = self._since
        if len(names) <= MAX_CURSORS:
            return [{"cursors": {name: self._last[name] for name in names}, **known}]
        if active is not None:
            names = [name for name in names if name in active or name.startswith("g:")]
        return [*self._named(names, known), {"cursors": {}, **known}]

    def rest(self) -> list[dict[str, Any]]:
        """The data of further calls of the same sync, none where it is complete: what its pages had no room for of
        conversations that the user has left. Only `sync` tells that, message.history refuses them."""
        before = self._unfinished
        self._unfinished = {
            name: self._last[name] for name in sorted(self._gone) if self._last[name] < self._ends.get(name, 0)
        }
        return [] if self._unfinished == before else self._named(list(self._unfinished), self._of_our_epoch())

    def _of_our_epoch(self) -> dict[str, Any]:
        return {} if self._epoch is None else {"epoch": self._epoch}

    def _named(self, names: list[str], known: dict[str, Any]) -> list[dict[str, Any]]:
        """Calls about `names` alone."""
        parts = [names[start : start + MAX_CURSORS] for start in range(0, len(names), MAX_CURSORS)]
        cursors = [{name: self._last[name] for name in part} for part in parts]
        return [{"cursors": part, "only": True, **known} for part in cursors]

    def synced(self, request: dict[str, Any], reply: dict[str, Any]) -> list[Event]:
        """One answer to `request`. After Restored the rest of this sync means nothing: begin another."""
        if restored := self.enter(reply["epoch"]):
            return restored
        if self._began is None:
            self._began = reply.get("time")
        # Without its cursor the server counts a conversation from read_seq, which says nothing about what we have.
        ours = {
            entry["conversation"]: entry["from"]
            for entry in reply["conversations"]
            if entry["conversation"] in request["cursors"] or entry["conversation"] not in self.names()
        }
        events: list[Event] = []
        for conversation, first in ours.items():
            events += self._begin(conversation, first)
        events += self._apply(message for message in reply["messages"] if message["conversation"] in ours)
        self._ends.update((entry["conversation"], entry["max_seq"]) for entry in reply["conversations"])
        if "after" not in request:  # only a first page tells who is gone; a later one may have the last messages
            self._gone.difference_update(request["cursors"])
        self._gone.update(name for name in reply["gone"] if name in self._last)
        self._left |= self._gone
        return events

    def page(self, messages: Iterable[Message]) -> list[Event]:
        """A page of message.history beyond the newest that was applied."""
        return list(self._apply(messages))

    def settle(self) -> list[Event]:
        """The sync is over: what waited takes its place, unless it shows another gap."""
        self._is_stale = False
        self._since = self._since if self._began is None else self._began
        waiting, self._waiting = sorted(self._waiting, key=lambda message: message["seq"]), []
        return [event for message in waiting for event in self.receive(message)]

    def _begin(self, conversation: str, first: int) -> list[Event]:
        is_new = conversation not in self._last
        self._last[conversation] = max(self.last(conversation), first - 1)
        self._left.discard(conversation)
        return [Started(conversation, first - 1)] if is_new else []

    def _apply(self, messages: Iterable[Message]) -> list[Event]:
        applied: list[Event] = []
        for message in messages:
            if message["seq"] == self.last(message["conversation"]) + 1:
                self._last[message["conversation"]] = message["seq"]
                applied.append(Apply(message))
        return applied

    def _take(self, message: Message) -> list[Event]:
        conversation = message["conversation"]
        # One that began after our login: all of it that may be had is new to us.
        last = self._last.setdefault(conversation, 0)
        if message["seq"] <= last:
            return []
        self._left.discard(conversation)
        if message["seq"] == last + 1:
            return self._apply([message])
        self._is_stale = True
        return [Gap(conversation)]
