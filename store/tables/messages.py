"""The timelines. Law: (conversation, seq) is 1, 2, 3 ... without holes, and (sender, cid) is unique for ever.

Every change of a conversation is a row of its own, an event. The row of a message changes only so that it shows the
message as it is now: one that was recalled keeps its place and loses its body.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
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
SMALL_BYTES = 1024
"""A message of up to so many bytes of body and mentions is read at once, of a larger one first the size."""
FEW, MORE = 32, 64  # that `lean` reads at a time: of sizes, too, none should be read that nobody asks for


class LeanRow(NamedTuple):
    """A message as `lean` reads it. Where it is large, `row` is without body and mentions, and `left_out` are their
    bytes, in UTF-8; else 0."""

    row: MessageRow
    left_out: int


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


def after(tx: Transaction, conversation: str, seq: int, limit: int) -> list[MessageRow]:
    """The first `limit` messages with a seq above `seq`, ascending, however large they are."""
    sql = f"{_SELECT} conversation = %s AND seq > %s ORDER BY seq LIMIT %s"
    return [MessageRow(*row) for row in tx.rows(sql, (conversation, seq, limit))]


def lean(tx: Transaction, places: Sequence[tuple[str, int]]) -> Iterator[LeanRow]:
    """The messages at `places` (conversation, seq), in that order and without those that are not stored.

    They are read a few at a time, the next few when the iterator is asked for more: who has enough stops asking.
    """
    size = f"{tx.bytes_of('body')} + COALESCE({tx.bytes_of('mentions')}, 0)"
    columns = ",".join(
        f"CASE WHEN {size} <= {SMALL_BYTES} THEN {name} END" if name in ("body", "mentions") else name
        for name in MessageRow._fields
    )
    sql = f"SELECT {columns}, {size} FROM messages WHERE"
    start, count = 0, FEW
    while start < len(places):
        some = places[start : start + count]
        rows = {(str(row[0]), int(row[1])): row for row in tx.rows_in(sql, ("conversation", "seq"), some)}
        for place in some:
            if place in rows:
                *fields, size_of_it = rows[place]
                is_small = size_of_it <= SMALL_BYTES
                row = MessageRow(*fields) if is_small else MessageRow(*fields)._replace(body="")
                yield LeanRow(row, 0 if is_small else int(size_of_it))
        start, count = start + count, MORE


def whole(tx: Transaction, rows: Iterable[LeanRow]) -> list[MessageRow]:
    """The rows with what was left out of them; by one query for each 400 that lack something."""
    rows = list(rows)
    read = get(tx, [(one.row.conversation, one.row.seq) for one in rows if one.left_out])
    return [read.get((one.row.conversation, one.row.seq), one.row) for one in rows]


def recall(tx: Transaction, conversation: str, seq: int, event: int) -> None:
    """Erase the body and the mentions of a message; `event` is the seq of the recall event."""
    changes = "body = '{}', mentions = NULL, changed = %s, recalled = 1"
    tx.execute(f"UPDATE messages SET {changes} WHERE conversation = %s AND seq = %s", (event, conversation, seq))


def counted_at(tx: Transaction, pairs: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """{(conversation, seq): counted} of those `pairs` that are stored."""
    sql = "SELECT conversation, seq, counted FROM messages WHERE"
    rows = tx.rows_in(sql, ("conversation", "seq"), pairs)
    return {(str(conversation), int(seq)): int(counted) for conversation, seq, counted in rows}


def times_at(tx: Transaction, pairs: Iterable[tuple[str, int]]) -> dict[tuple[str, int], int]:
    """{(conversation, seq): time in ms} of those `pairs` that are stored."""
    rows = tx.rows_in("SELECT conversation, seq, time FROM messages WHERE", ("conversation", "seq"), pairs)
    return {(str(conversation), int(seq)): int(time) for conversation, seq, time in rows}
