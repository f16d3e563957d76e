"""The outbox: commands that a write has emitted and that are not carried out yet.

Laws: a row is written in the transaction of the write that emits the command, and deleted in the transaction that
carries the command out, or after it was refused or given up. So an acknowledged write keeps its consequences,
whatever a broker loses. Times are ms by the clock of the store.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from store.transaction import Transaction

FIRST_MS = 5_000
LAST_MS = 300_000
"""A command is due again 5 s after it was sent first, then after 10, 20, 40 ... 300 s."""


class OutboxRow(NamedTuple):
    """A command of `sender` under `cid`: `key` is the conversation that it changes ("" for none), `data` its arguments
    as JSON."""

    sender: str
    cid: str
    op: str
    key: str
    data: str


_COLUMNS = ("sender", "cid", "op", "routing_key", "data")


def put(tx: Transaction, rows: Sequence[OutboxRow]) -> None:
    """Write commands that are about to be sent for the first time. A row that exists stays as it is."""
    due = tx.now_ms() + FIRST_MS
    columns = (*_COLUMNS, "tries", "due")
    tx.upsert("outbox", columns, [(*row, 0, due) for row in sorted(rows)], key=("sender", "cid"))


def remove(tx: Transaction, pairs: Iterable[tuple[str, str]]) -> None:
    """Delete the commands `pairs`, each (sender, cid): they were carried out, refused, or given up."""
    tx.execute_each("DELETE FROM outbox WHERE sender = %s AND cid = %s", sorted(set(pairs)))


def is_any_due(tx: Transaction) -> bool:
    """Whether a command is due: one statement that writes nothing."""
    return tx.row(f"SELECT 1 FROM outbox WHERE due <= {tx.clock} LIMIT 1") is not None


def take_due(tx: Transaction, at_most: int) -> list[OutboxRow]:
    """The commands to send again now, the longest due first; each is set to be due again later.

    At most so many that no more than `at_most` commands are on their way again at a time: a backlog that is worked off
    slowly does not double itself. Only the holder of a lease may call it (store/tables/leases.py).
    """
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
