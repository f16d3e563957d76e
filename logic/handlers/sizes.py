"""Keeping lists of messages within a frame: they stop at 96 KiB (protocol.md section 5, "Reading"). Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TypeVar

from protocol.frames import MAX_LIST_BYTES
from store.tables.messages import LeanRow, MessageRow

# The names of the fields, `recalled`, and four numbers of up to 16 digits.
ENVELOPE_BYTES = 190

Row = TypeVar("Row")


def message_bytes(row: MessageRow) -> int:
    """At most how many bytes a message takes in a frame, and not many fewer."""
    names = len(row.conversation) + len(row.sender) + len(row.type) + 2 * len(row.cid)  # quotes in a cid are escaped
    return ENVELOPE_BYTES + names + len(row.body.encode()) + len(row.mentions or "")


def lean_bytes(lean: LeanRow) -> int:
    """`message_bytes` of the whole row."""
    return message_bytes(lean.row) + lean.left_out


def fit(rows: Iterable[Row], size_of: Callable[[Row], int]) -> list[Row]:
    """The first rows that fit into 96 KiB, where `size_of` gives the bytes of each; at least one, so that a reader
    always gets on."""
    budget = MAX_LIST_BYTES
    kept: list[Row] = []
    for row in rows:
        budget -= size_of(row)
        if budget < 0 and kept:
            break
        kept.append(row)
    return kept
