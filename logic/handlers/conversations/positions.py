"""Positions in lists of conversations that go by time, as `after` names them: `{ms}:{conversation}`. Pure."""

from __future__ import annotations

from protocol import ids
from store.tables.cursors import Active

MAX_DIGITS = 16


def write(position: Active) -> str:
    """What `read` reads."""
    return f"{position.time}:{position.conversation}"


def read(text: str) -> Active | None:
    """The position; None where `text` is none, which may be anything that a client made up."""
    time, _, conversation = text.partition(":")
    is_time = time.isascii() and time.isdigit() and len(time) <= MAX_DIGITS
    return Active(int(time), conversation) if is_time and ids.parse_conversation(conversation) is not None else None
