"""How many bytes a message takes in a frame. Pure."""

from __future__ import annotations

from store.tables.messages import LeanRow, MessageRow

# The names of the fields, `recalled`, and four numbers of up to 16 digits.
ENVELOPE_BYTES = 190


def message_bytes(row: MessageRow) -> int:
    """At most how many bytes a message takes in a frame, and not many fewer."""
    names = len(row.conversation) + len(row.sender) + len(row.type) + 2 * len(row.cid)  # quotes in a cid are escaped
    return ENVELOPE_BYTES + names + len(row.body.encode()) + len(row.mentions or "")


def lean_bytes(lean: LeanRow) -> int:
    """`message_bytes` of the whole row."""
    return message_bytes(lean.row) + lean.left_out
