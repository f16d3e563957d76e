"""Numbered links: how a gateway notices that something sent to it never came (docs/architecture.md). Pure.

Laws: a sender uses a number up when it decides to send, even if publishing fails; the receiver reports a hole at the
first number that is not its successor, and a link silent for 5 s that said no bye.
"""

from __future__ import annotations

from typing import Any

from protocol.models import TopicMessage

BEACON_AFTER_S = 1.0
SILENT_AFTER_S = 5.0


class LinkNumbers:
    """The sending side: one number line per gateway address; times are of the monotonic clock, in seconds."""

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
        """The number used last, 0 before the first."""
        return self._numbers.get(address, 0)

    def idle(self, live: set[str], now: float) -> list[str]:
        """The live gateways that are owed a beacon; they count as told from now. Forgets those that live no more."""
        for address in set(self._sent_at) - live:
            self._numbers.pop(address, None)
            del self._sent_at[address]
        owed = [a for a in live if now - self._sent_at.get(a, float("-inf")) >= BEACON_AFTER_S]
        for address in owed:
            self._sent_at[address] = now
        return owed


class LinkWatch:
    """The receiving side: what each source sent last, and when.

    A source that is new starts at 1. Only in the seconds after `begin`, when everything is asked for anyway, the first
    number of a source that has long been running is taken as it is.
    """

    def __init__(self) -> None:
        self._began = float("-inf")
        self._last: dict[str, tuple[int, float]] = {}
        self._ready: dict[str, str] = {}  # the kind of each worker that can serve

    def __repr__(self) -> str:
        return f"LinkWatch({ {source: number for source, (number, _) in self._last.items()} })"

    def note(self, message: TopicMessage[Any], now: float) -> bool:
        """Note a message. True: something before it is missing."""
        source, number = message.source, message.number
        if source in self._last:
            expected = self._last[source][0] + (message.kind == "batch")
        elif now - self._began <= SILENT_AFTER_S:
            expected = number
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
        """The sources that fell silent without a bye; they are forgotten."""
        gone = [source for source, (_, at) in self._last.items() if now - at > SILENT_AFTER_S]
        for source in gone:
            del self._last[source]
            self._ready.pop(source, None)
        return gone

    def begin(self, now: float) -> None:
        """A new broker connection: nothing is known of any link."""
        self._began = now
        self._last.clear()
        self._ready.clear()

    @property
    def ready_workers(self) -> set[str]:
        """The kinds of workers of which one says that it can serve."""
        return set(self._ready.values())
