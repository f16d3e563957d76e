"""What may go after a time: a function for each kind of row, which deletes what may go of one piece of its table.

Laws: a piece is at most `limit` rows, found by the primary key or an index and deleted one by one, so that its
transaction is short and locks nothing else. A row that another transaction has changed since it was read stays: each
DELETE names what was read. Times are ms by the clock of the store.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from store.tables import cursors, done
from store.tables import messages as timelines
from store.transaction import Transaction

Place = tuple[Any, ...]
"""The primary key behind which the next piece begins; () before the first row."""
START: Place = ()


class Piece(NamedTuple):
    """`deleted` rows went; the next piece begins behind `next`, None where this was the last."""

    deleted: int
    next: Place | None


def sessions(tx: Transaction, after: Place, limit: int, before_ms: int) -> Piece:
    """Sessions that expired, or were ended, before `before_ms`."""
    columns = "id, expires, COALESCE(revoked, expires)"
    rows = _walk(tx, "sessions", columns, ("id",), after, limit)
    old = [(session, expires) for session, expires, ended in rows if min(expires, ended) < before_ms]
    deleted = tx.execute_each("DELETE FROM sessions WHERE id = %s AND expires = %s", old)
    return Piece(deleted, _next(rows, 1, limit))


def answers(tx: Transaction, after: Place, limit: int, before_ms: int) -> Piece:
    """The rows of writes that left no message (store/tables/done.py), of writes before `before_ms`."""
    sql = "SELECT seq FROM messages WHERE conversation = %s AND seq < %s ORDER BY seq LIMIT %s"
    rows = tx.rows(sql, (done.CONVERSATION, done.first_seq(before_ms), limit))
    if not rows:
        return Piece(0, None)
    # All of them are old, so nobody writes between them: one statement is enough.
    deleted = tx.execute("DELETE FROM messages WHERE conversation = %s AND seq <= %s", (done.CONVERSATION, *rows[-1]))
    return Piece(deleted, _next(rows, 1, limit))


def mentions(tx: Transaction, after: Place, limit: int, before_ms: int) -> Piece:
    """Mentions whose user has read the message; of all others, and of "all", those of messages before `before_ms`."""
    key = ("user", "conversation", "seq")
    rows = _walk(tx, "mentions", "user, conversation, seq", key, after, limit)
    read = cursors.get(tx, {(user, conversation) for user, conversation, _ in rows})
    unread = [row for row in rows if row[2] > read.get(row[:2], (0, 0))[0]]
    times = timelines.times_at(tx, {(conversation, seq) for _, conversation, seq in unread})
    kept = {row for row in unread if times.get(row[1:], 0) >= before_ms}
    sql = "DELETE FROM mentions WHERE user = %s AND conversation = %s AND seq = %s"
    return Piece(tx.execute_each(sql, [row for row in rows if row not in kept]), _next(rows, 3, limit))


def left_groups(tx: Transaction, after: Place, limit: int, before_ms: int) -> Piece:
    """Members, each with its cursor, who left their group before `before_ms`, by the time of the notice of it. Whoever
    has come back since keeps both: the row of the member is taken first, and its lock held."""
    rows = _walk(tx, "members", "chat_group, user, left_seq", ("chat_group", "user"), after, limit)
    left = [(f"g:{group}", group, user, seq) for group, user, seq in rows if seq is not None]
    times = timelines.times_at(tx, {(conversation, seq) for conversation, _, _, seq in left})
    deleted = 0
    for conversation, group, user, seq in left:
        if times.get((conversation, seq), before_ms) >= before_ms:
            continue
        sql = "DELETE FROM members WHERE chat_group = %s AND user = %s AND left_seq = %s"
        if tx.execute(sql, (group, user, seq)):
            deleted += 1
            deleted += tx.execute("DELETE FROM cursors WHERE user = %s AND conversation = %s", (user, conversation))
    return Piece(deleted, _next(rows, 2, limit))


def friend_requests(tx: Transaction, after: Place, limit: int, before_ms: int) -> Piece:
    """Requests made before `before_ms` that nobody has answered: their users may ask again."""
    rows = _walk(tx, "friend_requests", "user, peer, time", ("user", "peer"), after, limit)
    old = [row for row in rows if row[2] < before_ms]
    deleted = tx.execute_each("DELETE FROM friend_requests WHERE user = %s AND peer = %s AND time = %s", old)
    return Piece(deleted, _next(rows, 2, limit))


def attempts(tx: Transaction, after: Place, limit: int, before_ms: int) -> Piece:
    """Counts whose last attempt was before `before_ms`."""
    rows = tx.rows("SELECT name, time FROM attempts WHERE time < %s ORDER BY time LIMIT %s", (before_ms, limit))
    deleted = tx.execute_each("DELETE FROM attempts WHERE name = %s AND time = %s", rows)
    return Piece(deleted, _next(rows, 1, limit))


def guesses(tx: Transaction, after: Place, limit: int, before_ms: int) -> Piece:
    """Counts of wrong guesses, and known places, that have been of no use since before `before_ms`."""
    rows = tx.rows("SELECT name, ends FROM guesses WHERE ends < %s ORDER BY ends LIMIT %s", (before_ms, limit))
    deleted = tx.execute_each("DELETE FROM guesses WHERE name = %s AND ends = %s", rows)
    return Piece(deleted, _next(rows, 1, limit))


Purge = Callable[[Transaction, Place, int, int], Piece]
"""(transaction, place, limit, before_ms) -> what was done; place is `next` of the piece before, START for the first."""

PURGES: Mapping[str, Purge] = {
    "sessions": sessions,
    "answers": answers,
    "mentions": mentions,
    "left_groups": left_groups,
    "friend_requests": friend_requests,
    "attempts": attempts,
    "guesses": guesses,
}
"""By name: `retention.{name}_s` is the setting that says how long such rows are kept, where they do not say it
themselves."""


def _walk(
    tx: Transaction, table: str, columns: str, key: tuple[str, ...], after: Place, limit: int
) -> list[tuple[Any, ...]]:
    """The next `limit` rows in the order of the primary key `key`, whose columns are the first of `columns`.

    A query for each column of the key: behind a key of several columns no engine finds the next row by one condition
    without reading what lies before it.
    """
    behind = after or ("",)
    rows: list[tuple[Any, ...]] = []
    for fixed in range(len(behind) - 1, -1, -1):
        where = " AND ".join([*(f"{name} = %s" for name in key[:fixed]), f"{key[fixed]} > %s"])
        sql = f"SELECT {columns} FROM {table} WHERE {where} ORDER BY {','.join(key)} LIMIT %s"
        rows += tx.rows(sql, (*behind[: fixed + 1], limit - len(rows)))
        if len(rows) == limit:
            break
    return rows


def _next(rows: list[tuple[Any, ...]], key_columns: int, limit: int) -> Place | None:
    return rows[-1][:key_columns] if len(rows) == limit else None
