"""Counters of what may be tried only so often, such as carrying out a command that comes back. All workers share them,
and they outlive restarts."""

from __future__ import annotations

from collections.abc import Iterable

from store.transaction import Transaction


def count(tx: Transaction, name: str, now_ms: int) -> int:
    """Count one attempt under `name`; returns how many there are now.

    `name` is 1 to 128 ASCII characters: hash what a user typed. Raises BadValue for another one.
    """
    tx.upsert(
        "attempts", ("name", "count", "time"), [(name, 1, now_ms)], key=("name",), add=("count",), greatest=("time",)
    )
    row = tx.row("SELECT count FROM attempts WHERE name = %s", (name,))
    return int(row[0]) if row else 0


def note(tx: Transaction, names: Iterable[str], now_ms: int) -> set[str]:
    """Begin a count at 0 for each of `names` that has none; returns those that had one. Raises BadValue as `count`."""
    wanted = sorted(set(names))
    known = {str(row[0]) for row in tx.rows_in("SELECT name FROM attempts WHERE", ("name",), [(n,) for n in wanted])}
    fresh = [(name, 0, now_ms) for name in wanted if name not in known]
    if fresh:
        tx.upsert("attempts", ("name", "count", "time"), fresh, key=("name",), greatest=("time",))
    return known


def forget(tx: Transaction, names: Iterable[str]) -> None:
    """Delete the counts of `names`: the next attempt is their first."""
    tx.execute_in("DELETE FROM attempts WHERE", ("name",), [(name,) for name in sorted(set(names))])
