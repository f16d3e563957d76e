"""The messages that mention a user. A mention of all members is one row, of the user "all"."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from store.transaction import Transaction

ALL = "all"
_COLUMNS = ("user", "conversation", "seq")
_SEEKS_A_STATEMENT = 200
# One seek, however many mentions there are.
_FIRST = "SELECT conversation FROM mentions WHERE user = %s AND conversation = %s AND seq > %s ORDER BY seq LIMIT 1"
_NEXT = f"SELECT conversation FROM ({_FIRST}) mentioned"


def insert(tx: Transaction, rows: Iterable[tuple[str, str, int]]) -> None:
    """Insert rows (user or "all", conversation, seq). A row that exists stays."""
    tx.upsert("mentions", _COLUMNS, sorted(set(rows)), key=_COLUMNS)


def remove(tx: Transaction, conversation: str, seq: int, users: Iterable[str]) -> None:
    """Delete that the message (conversation, seq) mentions `users`."""
    rows = sorted({(user, conversation, seq) for user in users})
    tx.execute_each("DELETE FROM mentions WHERE user = %s AND conversation = %s AND seq = %s", rows)


def mentioned(tx: Transaction, user: str, reads: Mapping[str, int]) -> set[str]:
    """`reads` is {conversation: seq}: those conversations in which a message above that seq mentions the user."""
    wanted = [(name, conversation, seq) for name in sorted({user, ALL}) for conversation, seq in reads.items()]
    found: set[str] = set()
    for start in range(0, len(wanted), _SEEKS_A_STATEMENT):
        some = wanted[start : start + _SEEKS_A_STATEMENT]
        rows = tx.rows(" UNION ALL ".join([_NEXT] * len(some)), [value for one in some for value in one])
        found |= {str(conversation) for (conversation,) in rows}
    return found
