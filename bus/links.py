"""Numbered links: how a gateway notices that a message to it never came (docs/architecture.md, "How loss is noticed").

Pure. Laws: a sender uses a number up when it decides to send, even if publishing fails. The receiver reports a hole at
the first number that does not follow the last one, and a link that is silent for 5 s and said no bye. Times are seconds
of the monotonic clock.
"""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from protocol.models import TopicMessage

BEACON_AFTER_S = 1.0
SILENT_AFTER_S = 5.0


class LinkNumbers:
    """The sending side: it counts the batches to each gateway, by address (`{gateway}.{epoch}`)."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._sent_at: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"LinkNumbers({self._numbers})"

    def next(self, address: str, now: float) -> int:
        """The number of the next batch to `address`, used up by this call."""
        number = self._numbers.get(address, 0) + 1
        self._numbers[address] = number
        self._sent_at[address] = now
        return number

    def current(self, address: str) -> int:
        """The number of the last batch to `address`, 0 before the first."""
        return self._numbers.get(address, 0)

    def idle(self, live: Set[str], now: float) -> list[str]:
        """Those of the `live` addresses to which nothing was sent for 1 s: they are to get a beacon now. Forgets the
        numbers of all other addresses."""
        for address in set(self._sent_at) - live:
            self._numbers.pop(address, None)
            del self._sent_at[address]
        owed = [a for a in live if now - self._sent_at.get(a, float("-inf")) >= BEACON_AFTER_S]
        for address in owed:
            self._sent_at[address] = now
        return owed


class LinkWatch:
    """The receiving side: the last number of each source (`{worker}.{epoch}`), and when it came. A new source starts
    at 1, and goes on counting over all queues of this gateway: what it sent to a former one is a hole."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[int, float]] = {}
        self._ready: dict[str, str] = {}  # the kind of each worker that can serve

    def __repr__(self) -> str:
        return f"LinkWatch({ {source: number for source, (number, _) in self._last.items()} })"

    def note(self, message: TopicMessage[Any], now: float) -> bool:
        """Note a message that came at `now`; returns whether one before it is missing."""
        source, number = message.source, message.number
        if source in self._last:
            expected = self._last[source][0] + (message.kind == "batch")
        else:
            expected = int(message.kind == "batch")
        if message.kind == "bye":
            self._last.pop(source, None)
            self._ready.pop(source, None)
        else:
            self._last[source] = (number, now)
            if message.ready:
                self._ready[source] = message.worker
            else:
                self._ready.pop(source, None)
        return number != expected

    def silent(self, now: float) -> list[str]:
        """The sources that have sent nothing for 5 s and said no bye; they are forgotten, so each is reported once."""
        gone = [source for source, (_, at) in self._last.items() if now - at > SILENT_AFTER_S]
        for source in gone:
            del self._last[source]
            self._ready.pop(source, None)
        return gone

    def begin(self, now: float) -> None:
        """A new broker connection stands: nobody was silent while there was none."""
        self._last = {source: (number, now) for source, (number, _) in self._last.items()}
        self._ready.clear()

    @property
    def ready_workers(self) -> set[str]:
        """The kinds of workers of which at least one has last said that it can serve."""
        return set(self._ready.values())
