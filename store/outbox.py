"""Commands that a write has caused and that are not carried out yet; and the lease of whoever sends them again.

Laws: a row is written in the transaction of the write that causes it, and taken away in that of the command itself. So
what was acknowledged keeps its consequences, whatever a broker loses. Moments are ms by the clock of the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from store.transaction import Transaction

FIRST_MS = 5_000
LAST_MS = 300_000


class OutboxRow(NamedTuple):
    """A command of `sender` under `cid`; `key` is the conversation that it changes, "" for none; `data` JSON."""

    sender: str
    cid: str
    op: str
    key: str
    data: str


_COLUMNS = ("sender", "cid", "op", "routing_key", "data")


def put(tx: Transaction, rows: Sequence[OutboxRow]) -> None:
    """What is about to be sent for the first time. A row that is there stays."""
    due = tx.now_ms() + FIRST_MS
    columns = (*_COLUMNS, "tries", "due")
    tx.upsert("outbox", columns, [(*row, 0, due) for row in sorted(rows)], key=("sender", "cid"))


def remove(tx: Transaction, pairs: Iterable[tuple[str, str]]) -> None:
    """These commands, by (sender, cid), were carried out or refused."""
    tx.execute_in("DELETE FROM outbox WHERE", ("sender", "cid"), sorted(set(pairs)))


def is_any_due(tx: Transaction) -> bool:
    """Whether `take_due` would find something."""
    return tx.row(f"SELECT 1 FROM outbox WHERE due <= {tx.clock} LIMIT 1") is not None


def take_due(tx: Transaction, at_most: int) -> list[OutboxRow]:
    """What is due, the longest first, set to be due again later. Of all that was sent again and is not carried out yet
    there are never more than `at_most`, so that a backlog does not double itself."""
    now = tx.now_ms()
    again = tx.row("SELECT COUNT(*) FROM outbox WHERE tries > 0 AND due > %s", (now,))
    room = max(0, at_most - int(again[0] if again else 0))
    sql = f"SELECT {','.join(_COLUMNS)}, tries FROM outbox WHERE due <= %s ORDER BY due LIMIT %s"
    found = [(OutboxRow(*row[:5]), int(row[5])) for row in tx.rows(sql, (now, room))]
    by_tries: dict[int, list[tuple[str, str]]] = {}
    for row, tries in found:
        by_tries.setdefault(tries + 1, []).append((row.sender, row.cid))
    for tries, pairs in sorted(by_tries.items()):
        later = now + min(FIRST_MS << min(tries, 10), LAST_MS)
        tx.execute_in("UPDATE outbox SET tries = %s, due = %s WHERE", ("sender", "cid"), sorted(pairs), (tries, later))
    return [row for row, _ in found]
