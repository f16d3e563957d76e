"""The timelines. Law: (conversation, seq) is 1, 2, 3 ... without holes, and (sender, cid) is unique for ever.

Whatever changes a conversation is a row of its own. A row is changed only in what it says *now*: a message that was
recalled keeps its place and loses its body; `changed` is the seq of the last event that is folded in.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from store.transaction import Transaction


class MessageRow(NamedTuple):
    """`body` and `mentions` are JSON text, `digest` 16 bytes of the original request, `time` ms.

    `counted` is how many countable messages the conversation holds up to this one. The last two are set by events.
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
    """The last message of a conversation."""

    seq: int
    time: int
    counted: int


_SELECT = f"SELECT {','.join(MessageRow._fields)} FROM messages WHERE"


def insert(tx: Transaction, rows: Sequence[MessageRow]) -> None:
    """Raises Duplicate "messages.seq" (another owner wrote) or "messages.cid" (a retry)."""
    tx.insert("messages", _INSERTED, [row[:-2] for row in rows])


def tails(tx: Transaction, conversations: Iterable[str]) -> dict[str, Tail]:
    """The last message of each; a conversation that holds none is missing. One seek each, however long it is."""
    rows = tx.last_rows("messages", "conversation,seq,time,counted", "conversation", "seq", conversations)
    return {str(row[0]): Tail(*row[1:]) for row in rows}


def by_cids(tx: Transaction, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], MessageRow]:
    """What is stored under each (sender, cid)."""
    rows = [MessageRow(*row) for row in tx.rows_in(_SELECT, ("sender", "cid"), pairs)]
    return {(row.sender, row.cid): row for row in rows}


def get(tx: Transaction, pairs: Iterable[tuple[str, int]]) -> dict[tuple[str, int], MessageRow]:
    """The messages at each (conversation, seq)."""
    rows = [MessageRow(*row) for row in tx.rows_in(_SELECT, ("conversation", "seq"), pairs)]
    return {(row.conversation, row.seq): row for row in rows}


def after(tx: Transaction, conversation: str, seq: int, limit: int, up_to: int | None = None) -> list[MessageRow]:
    """The first `limit` messages with a seq above `seq` and not above `up_to`, ascending."""
    bound, params = ("", ()) if up_to is None else ("AND seq <= %s", (up_to,))
    sql = f"{_SELECT} conversation = %s AND seq > %s {bound} ORDER BY seq LIMIT %s"
    return [MessageRow(*row) for row in tx.rows(sql, (conversation, seq, *params, limit))]


def before(tx: Transaction, conversation: str, seq: int | None, limit: int, from_seq: int) -> list[MessageRow]:
    """The newest `limit` messages with a seq below `seq` (None: all) and not below `from_seq`, ascending."""
    bound, params = ("", ()) if seq is None else ("AND seq < %s", (seq,))
    sql = f"{_SELECT} conversation = %s AND seq >= %s {bound} ORDER BY seq DESC LIMIT %s"
    return [MessageRow(*row) for row in tx.rows(sql, (conversation, from_seq, *params, limit))][::-1]


def recall(tx: Transaction, conversation: str, seq: int, event: int) -> None:
    """Erase what a message says; `event` is the seq of its recall."""
    changes = "body = '{}', mentions = NULL, changed = %s, recalled = 1"
    tx.execute(f"UPDATE messages SET {changes} WHERE conversation = %s AND seq = %s", (event, conversation, seq))


def counted_at(tx: Transaction, pairs: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """`counted` at each (conversation, seq); one where nothing is stored (seq 0) is missing."""
    sql = "SELECT conversation, seq, counted FROM messages WHERE"
    rows = tx.rows_in(sql, ("conversation", "seq"), pairs)
    return {(str(conversation), int(seq)): int(counted) for conversation, seq, counted in rows}


def ranges(tx: Transaction, wanted: Sequence[tuple[str, int, int]]) -> list[MessageRow]:
    """The messages of each (conversation, first seq, last seq), by one query, ascending within a conversation."""
    if not wanted:
        return []
    condition = " OR ".join(["(conversation = %s AND seq BETWEEN %s AND %s)"] * len(wanted))
    params = [value for one in wanted for value in one]
    return sorted(MessageRow(*row) for row in tx.rows(f"{_SELECT} {condition}", params))
