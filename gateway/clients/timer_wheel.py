"""Deadlines of very many things with one timer: a wheel of slots that turns by a tick. Pure; moments are in s.

Laws: setting, moving and removing a deadline cost the same however many there are. A thing is handed out once, at or
after its deadline and at most a tick late. A deadline beyond the wheel's turn is handed out when that turn ends, for
its owner to look and to set it again.
"""

from __future__ import annotations

from collections.abc import Hashable
from math import ceil
from typing import Generic, TypeVar

Thing = TypeVar("Thing", bound=Hashable)


class TimerWheel(Generic[Thing]):
    """`slots` times `tick_s` is how far ahead it reaches."""

    def __init__(self, tick_s: float, slots: int, now: float) -> None:
        self._tick_s = tick_s
        self._slots: list[set[Thing]] = [set() for _ in range(slots)]
        self._places: dict[Thing, int] = {}
        self._turned = int(now / tick_s)  # the tick whose slot was emptied last

    def __repr__(self) -> str:
        return f"TimerWheel({len(self._places)} deadlines, {len(self._slots)} slots of {self._tick_s} s)"

    def __len__(self) -> int:
        return len(self._places)

    def set(self, thing: Thing, due: float) -> None:
        """Hand it out at `due`, and not at an earlier setting."""
        self.remove(thing)
        tick = min(max(ceil(due / self._tick_s), self._turned + 1), self._turned + len(self._slots))
        place = tick % len(self._slots)
        self._slots[place].add(thing)
        self._places[thing] = place

    def remove(self, thing: Thing) -> None:
        """It has no deadline any more; nothing happens where it had none."""
        place = self._places.pop(thing, None)
        if place is not None:
            self._slots[place].discard(thing)

    def turn(self, now: float) -> list[Thing]:
        """Everything whose deadline has come. Call it about once a tick; a late call misses nothing."""
        upto = int(now / self._tick_s)
        due: list[Thing] = []
        for tick in range(max(self._turned + 1, upto + 1 - len(self._slots)), upto + 1):
            slot = self._slots[tick % len(self._slots)]
            due += slot
            slot.clear()
        self._turned = max(self._turned, upto)
        for thing in due:
            del self._places[thing]
        return due
