"""A user's conversations: how far it has read each, how far its devices have it, when something was last said there.

Laws: a cursor never goes back, whatever the order in which writes arrive. `active` of a private conversation or of
notices lies in the hour of the last message; only the owner of the conversation moves it (logic/timeline.py). A group
has none: its members would all have to be written, so a reader looks at each of its groups instead.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from store.transaction import Transaction

HOUR_MS = 3_600_000
_COLUMNS = ("user", "conversation", "read_seq", "delivered_seq")
_MARK_COLUMNS = (*_COLUMNS, "active")
_KEY = ("user", "conversation")


class Active(NamedTuple):
    """A conversation, and when something was said in it: a time (ms) in the hour of its last message."""

    time: int
    conversation: str

    @property
    def hour(self) -> int:
        """Hours since 1970."""
        return self.time // HOUR_MS


def read_up_to(tx: Transaction, rows: Iterable[tuple[str, str, int]]) -> None:
    """Write, for each of `rows` (user, conversation, seq), that the user has read up to seq; in one statement."""
    mark(tx, ((user, conversation, seq, 0) for user, conversation, seq in rows))


def mark(tx: Transaction, rows: Iterable[tuple[str, str, int, int]]) -> None:
    """Write, for each of `rows` (user, conversation, seq, time), that the user has read up to seq and that something
    was said at that time (ms; 0: nothing that is noted); in one statement."""
    highest: dict[tuple[str, str], tuple[int, int]] = {}
    for user, conversation, seq, time in rows:
        known = highest.get((user, conversation), (0, 0))
        highest[user, conversation] = (max(seq, known[0]), max(time, known[1]))
    # sorted by key, so that two transactions lock in the same order
    marks = [(*key, seq, 0, time) for key, (seq, time) in sorted(highest.items())]
    tx.upsert("cursors", _MARK_COLUMNS, marks, key=_KEY, greatest=("read_seq", "active"))


def delivered_up_to(tx: Transaction, rows: Iterable[tuple[str, str, int]]) -> None:
    """Write, for each of `rows` (user, conversation, seq), that a device of the user has everything up to seq."""
    highest: dict[tuple[str, str], int] = {}
    for user, conversation, seq in rows:
        highest[user, conversation] = max(seq, highest.get((user, conversation), 0))
    marks = [(*key, 0, seq) for key, seq in sorted(highest.items())]
    tx.upsert("cursors", _COLUMNS, marks, key=_KEY, greatest=("delivered_seq",))


def get(tx: Transaction, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[int, int]]:
    """{(user, conversation): (read_seq, delivered_seq)} of those `pairs` that have a cursor."""
    rows = tx.rows_in(f"SELECT {','.join(_COLUMNS)} FROM cursors WHERE", _KEY, pairs)
    return {(str(row[0]), str(row[1])): (int(row[2]), int(row[3])) for row in rows}


def active(tx: Transaction, user: str, since_ms: int, before: Active | None, limit: int) -> list[Active]:
    """The private conversations and notices of a user in which something was said from the time `since_ms` (at least 1)
    on, the latest time first; at most `limit`, from behind `before` on (None: from the first)."""
    select = "SELECT active, conversation FROM cursors WHERE user = %s AND"
    order = "ORDER BY active DESC, conversation DESC LIMIT %s"
    found: list[Active] = []
    if before is None:
        rows = tx.rows(f"{select} active >= %s {order}", (user, since_ms, limit))
        return [Active(*row) for row in rows]
    # Two ranges of one index: with OR the optimizer may sort all that a user has.
    if before.conversation and before.time >= since_ms:
        rows = tx.rows(f"{select} active = %s AND conversation < %s {order}", (user, *before, limit))
        found = [Active(*row) for row in rows]
    if len(found) < limit:
        bounds = (user, since_ms, before.time, limit - len(found))
        found += [Active(*row) for row in tx.rows(f"{select} active >= %s AND active < %s {order}", bounds)]
    return found
