"""Writes that leave no event: each leaves what it answered, under its cid, so that a retry gets the same answer.

Law: such a row stands in `messages`, in a conversation that nobody reads, so that everything that a sender writes is
fenced by one key (sender, cid), and sends pay nothing for it.
"""

from __future__ import annotations

import secrets

from store.messages import MessageRow

CONVERSATION = "~"
_RANDOM_BITS = 20  # of a seq, below its time: two of one ms seldom meet, and then the transaction is done again


def row(sender: str, cid: str, op: str, digest: bytes, reply: str, now_ms: int) -> MessageRow:
    """The row of a write of `op` that was answered with `reply` (JSON); it is inserted like a message."""
    seq = (now_ms << _RANDOM_BITS) | secrets.randbits(_RANDOM_BITS)
    return MessageRow(CONVERSATION, seq, sender, cid, op, reply, None, None, now_ms, 0, digest)
