"""The messages that mention a user. A mention of all members is one row, of the user "all"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from store.transaction import Transaction

ALL = "all"
_COLUMNS = ("user", "conversation", "seq")


def insert(tx: Transaction, rows: Iterable[tuple[str, str, int]]) -> None:
    """Insert rows (user or "all", conversation, seq). A row that exists stays."""
    tx.upsert("mentions", _COLUMNS, sorted(set(rows)), key=_COLUMNS)


def remove(tx: Transaction, conversation: str, seq: int, users: Iterable[str]) -> None:
    """Delete that the message (conversation, seq) mentions `users`."""
    rows = sorted({(user, conversation, seq) for user in users})
    tx.execute_each("DELETE FROM mentions WHERE user = %s AND conversation = %s AND seq = %s", rows)


def mentioned(tx: Transaction, user: str, reads: Mapping[str, int]) -> set[str]:
    """`reads` is {conversation: seq}: those conversations in which a message above that seq mentions the user."""
    found: set[str] = set()
    for name in {user, ALL}:
        newest = tx.rows_in(
            "SELECT conversation, MAX(seq) FROM mentions WHERE user = %s AND",
            ("conversation",),
            [(conversation,) for conversation in reads],
            (name,),
            "GROUP BY conversation",
        )
        found |= {str(conversation) for conversation, seq in newest if seq > reads[str(conversation)]}
    return found
