"""What a client needs of a door: frames as texts, both ways, and how it ended (protocol.md section 3)."""

from __future__ import annotations

from typing import Protocol

NO_CODE = 1006  # it ended without a word


class ChannelClosed(Exception):
    """It is over; the channel's `close_code` and `close_reason` say how."""


class TurnedAway(OSError):
    """The door is there and takes nobody now."""


class Channel(Protocol):
    """One connection, or one session of long-poll. `close_code` and `close_reason` count once it is closed."""

    @property
    def close_code(self) -> int: ...

    @property
    def close_reason(self) -> str: ...

    async def send(self, text: str | bytes) -> None:
        """A frame up; bytes go as they are. Raises ChannelClosed."""

    async def receive(self) -> str:
        """The next frame down. Raises ChannelClosed. May be cancelled without losing one."""
        ...

    async def close(self) -> None:
        """End it from our side. May be called again."""

    def abort(self) -> None:
        """Cut it off."""
