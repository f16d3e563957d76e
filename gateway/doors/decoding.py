"""What the decoders of all doors have in common: bytes come cut up in any way, frames come out whole. Pure.

Laws: `feed` never raises; after a last event it says nothing more; the same events come however the bytes are cut up.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Generic, NamedTuple, TypeVar

from protocol.errors import Close

Event = TypeVar("Event")

EMPTY = bytearray()


class Failed(NamedTuple):
    """What came breaks the rules of the door: close with this code."""

    code: Close


def text_of(payload: bytes) -> str | Failed:
    """A message's text, where it is text."""
    try:
        return payload.decode()
    except UnicodeDecodeError:
        return Failed(Close.NOT_UTF8)


class Decoder(ABC, Generic[Event]):
    """Reads the frames of one client. `LAST` are the types of the events after which nothing counts."""

    __slots__ = ("_rest",)

    LAST: tuple[type, ...] = (Failed,)

    def __init__(self) -> None:
        self._rest: bytearray | None = EMPTY  # never filled itself. None: the end was reached

    def __repr__(self) -> str:
        return f"{type(self).__name__}({'ended' if self._rest is None else f'{len(self._rest)} bytes waiting'})"

    @property
    def is_unfinished(self) -> bool:
        """Whether a part of a message has come, and not the rest."""
        return bool(self._rest)

    def feed(self, data: bytes) -> list[Event]:
        """The events of all frames that are complete now."""
        if self._rest is None:
            return []
        rest = self._rest
        if rest:
            rest += data  # in place: a frame that comes byte by byte is not copied at each
        unread = rest or data
        events: list[Event] = []
        position = 0
        while True:
            taken, event = self._frame(unread, position)
            if event is not None:
                events.append(event)
                if type(event) in self.LAST:
                    self._end()
                    return events
            if taken == 0:
                break
            position += taken
        if rest:
            del rest[:position]
        elif position < len(data):
            self._rest = bytearray(data[position:])
        return events

    def _end(self) -> None:
        """Nothing counts any more: let go of what was kept."""
        self._rest = None

    @abstractmethod
    def _frame(self, data: bytes | bytearray, at: int) -> tuple[int, Event | None]:
        """(bytes taken, event) of the frame at `at`; (0, None) where it is not all there yet."""
