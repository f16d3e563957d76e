"""The timelines. Law: (conversation, seq) is 1, 2, 3 ... without holes, and (sender, cid) is unique for ever.

Every change of a conversation is a row of its own, an event. The row of a message changes only so that it shows the
message as it is now: one that was recalled keeps its place and loses its body.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from store.transaction import Transaction


class MessageRow(NamedTuple):
    """A message, an event, or a row of done.py. `body` and `mentions` are JSON text, `digest` 16 bytes of the original
    request, `time` ms, `reply_to` a seq.

    `counted` is how many countable messages the conversation holds, this one included. Events set the last two:
    `changed` is the seq of the last event that is folded in, `recalled` 1 after a recall.
    """

    conversation: str
    seq: int
    sender: str
    cid: str
    type: str
    body: str
    mentions: str | None
    reply_to: int | None
    time: int
    counted: int
    digest: bytes
    changed: int | None = None
    recalled: int | None = None


_INSERTED = MessageRow._fields[:-2]


class Tail(NamedTuple):
    """The seq, time (ms) and `counted` of a conversation's last message."""

    seq: int
    time: int
    counted: int


_SELECT = f"SELECT {','.join(MessageRow._fields)} FROM messages WHERE"


def insert(tx: Transaction, rows: Sequence[MessageRow]) -> None:
    """Insert rows; `changed` and `recalled` are not written. Raises Duplicate "messages.seq" where another owner wrote,
    "messages.cid" where it is a retry."""
    tx.insert("messages", _INSERTED, [row[:-2] for row in rows])


def tails(tx: Transaction, conversations: Iterable[str]) -> dict[str, Tail]:
    """{conversation: tail} of those that hold a message. One seek for each, however long the conversation is."""
    rows = tx.last_rows("messages", "conversation,seq,time,counted", "conversation", "seq", conversations)
    return {str(row[0]): Tail(*row[1:]) for row in rows}


def by_cids(tx: Transaction, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], MessageRow]:
    """{(sender, cid): row} of those `pairs` under which something is stored."""
    rows = [MessageRow(*row) for row in tx.rows_in(_SELECT, ("sender", "cid"), pairs)]
    return {(row.sender, row.cid): row for row in rows}


def get(tx: Transaction, pairs: Iterable[tuple[str, int]]) -> dict[tuple[str, int], MessageRow]:
    """{(conversation, seq): row} of those `pairs` that are stored."""
    rows = [MessageRow(*row) for row in tx.rows_in(_SELECT, ("conversation", "seq"), pairs)]
    return {(row.conversation, row.seq): row for row in rows}


def after(tx: Transaction, conversation: str, seq: int, limit: int, up_to: int | None = None) -> list[MessageRow]:
    """The first `limit` messages with a seq above `seq` and at most `up_to` (None: no end), ascending."""
    bound, params = ("", ()) if up_to is None else ("AND seq <= %s", (up_to,))
    sql = f"{_SELECT} conversation = %s AND seq > %s {bound} ORDER BY seq LIMIT %s"
    return [MessageRow(*row) for row in tx.rows(sql, (conversation, seq, *params, limit))]


def before(tx: Transaction, conversation: str, seq: int | None, limit: int, from_seq: int) -> list[MessageRow]:
    """The last `limit` messages with a seq of at least `from_seq` and below `seq` (None: no end), ascending."""
    bound, params = ("", ()) if seq is None else ("AND seq < %s", (seq,))
    sql = f"{_SELECT} conversation = %s AND seq >= %s {bound} ORDER BY seq DESC LIMIT %s"
    return [MessageRow(*row) for row in tx.rows(sql, (conversation, from_seq, *params, limit))][::-1]


def recall(tx: Transaction, conversation: str, seq: int, event: int) -> None:
    """Erase the body and the mentions of a message; `event` is the seq of the recall event."""
    changes = "body = '{}', mentions = NULL, changed = %s, recalled = 1"
    tx.execute(f"UPDATE messages SET {changes} WHERE conversation = %s AND seq = %s", (event, conversation, seq))


def counted_at(tx: Transaction, pairs: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """{(conversation, seq): counted} of those `pairs` that are stored."""
    sql = "SELECT conversation, seq, counted FROM messages WHERE"
    rows = tx.rows_in(sql, ("conversation", "seq"), pairs)
    return {(str(conversation), int(seq)): int(counted) for conversation, seq, counted in rows}


def ranges(tx: Transaction, wanted: Sequence[tuple[str, int, int]]) -> list[MessageRow]:
    """The messages of each (conversation, first seq, last seq), by one query; sorted by conversation, then by seq."""
    if not wanted:
        return []
    condition = " OR ".join(["(conversation = %s AND seq BETWEEN %s AND %s)"] * len(wanted))
    params = [value for one in wanted for value in one]
    return sorted(MessageRow(*row) for row in tx.rows(f"{_SELECT} {condition}", params))
