"""How far a user has read each conversation, and how far its devices have it; also the list of a user's conversations.

Law: a cursor never goes back, whatever the order in which writes arrive.
"""

from __future__ import annotations

from collections.abc import Iterable

from store.transaction import Transaction

_COLUMNS = ("user", "conversation", "read_seq", "delivered_seq")
_KEY = ("user", "conversation")


def read_up_to(tx: Transaction, rows: Iterable[tuple[str, str, int]]) -> None:
    """Write, for each of `rows` (user, conversation, seq), that the user has read up to seq; in one statement."""
    tx.upsert("cursors", _COLUMNS, _highest(rows, delivered=False), key=_KEY, greatest=("read_seq",))


def delivered_up_to(tx: Transaction, rows: Iterable[tuple[str, str, int]]) -> None:
    """Write, for each of `rows` (user, conversation, seq), that a device of the user has everything up to seq."""
    tx.upsert("cursors", _COLUMNS, _highest(rows, delivered=True), key=_KEY, greatest=("delivered_seq",))


def get(tx: Transaction, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[int, int]]:
    """{(user, conversation): (read_seq, delivered_seq)} of those `pairs` that have a cursor."""
    rows = tx.rows_in(f"SELECT {','.join(_COLUMNS)} FROM cursors WHERE", _KEY, pairs)
    return {(str(row[0]), str(row[1])): (int(row[2]), int(row[3])) for row in rows}


def _highest(rows: Iterable[tuple[str, str, int]], delivered: bool) -> list[tuple[str, str, int, int]]:
    """One row for each cursor, sorted by key, so that two transactions lock in the same order."""
    highest: dict[tuple[str, str], int] = {}
    for user, conversation, seq in rows:
        key = user, conversation
        if seq >= highest.get(key, 0):
            highest[key] = seq
    return [(*key, 0, seq) if delivered else (*key, seq, 0) for key, seq in sorted(highest.items())]
