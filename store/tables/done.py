"""The row of a write that leaves no event: its answer under its cid, so that a retry gets the same answer.

Law: such a row stands in `messages`, in a conversation that nobody reads. So one key, (sender, cid), fences everything
that a sender writes, and a send pays nothing for it.
"""

from __future__ import annotations

import secrets

from store.tables.messages import MessageRow

CONVERSATION = "~"
# Below the time in a seq. Two writes of one ms seldom draw the same bits; if they do, the key refuses one, and it is
# tried again.
_RANDOM_BITS = 20


def row(sender: str, cid: str, op: str, digest: bytes, reply: str, now_ms: int) -> MessageRow:
    """The row of a write of `op` that was answered with `reply` (JSON); `digest` has 16 bytes. Pure: the caller inserts
    it like a message."""
    seq = first_seq(now_ms) | secrets.randbits(_RANDOM_BITS)
    return MessageRow(CONVERSATION, seq, sender, cid, op, reply, None, None, now_ms, 0, digest)


def first_seq(time_ms: int) -> int:
    """The lowest seq of a row that is written at `time_ms`."""
    return time_ms << _RANDOM_BITS
