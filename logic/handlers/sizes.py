"""Keeping lists of messages within a frame: they stop at 96 KiB (protocol.md section 5, "Reading")."""

from __future__ import annotations

from collections.abc import Iterable

from protocol.frames import MAX_LIST_BYTES
from store.messages import MessageRow

# The names of the fields, `recalled`, and four numbers of up to 16 digits.
ENVELOPE_BYTES = 190


def message_bytes(row: MessageRow) -> int:
    """About what a message takes in a frame; never less than it does."""
    names = len(row.conversation) + len(row.sender) + len(row.type) + 2 * len(row.cid)  # quotes in a cid are escaped
    return ENVELOPE_BYTES + names + len(row.body.encode()) + len(row.mentions or "")


def fit(rows: Iterable[MessageRow], budget: int = MAX_LIST_BYTES) -> list[MessageRow]:
    """The first rows that fit; at least one, so that a reader always gets on."""
    kept: list[MessageRow] = []
    for row in rows:
        budget -= message_bytes(row)
        if budget < 0 and kept:
            break
        kept.append(row)
    return kept


def fit_newest(rows: list[MessageRow]) -> list[MessageRow]:
    """The last rows that fit, in their order."""
    return fit(reversed(rows))[::-1]
