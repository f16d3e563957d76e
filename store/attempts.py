"""Counters of what may be tried only so often, such as passwords; shared by all workers, and they outlive restarts."""

from __future__ import annotations

from collections.abc import Iterable

from store.transaction import Transaction


def count(tx: Transaction, name: str, now_ms: int) -> int:
    """Count one attempt; how many there are now. `name` is ASCII, up to 128 (hash what a user typed)."""
    tx.upsert(
        "attempts", ("name", "count", "time"), [(name, 1, now_ms)], key=("name",), add=("count",), greatest=("time",)
    )
    row = tx.row("SELECT count FROM attempts WHERE name = %s", (name,))
    return int(row[0]) if row else 0


def note(tx: Transaction, names: Iterable[str], now_ms: int) -> set[str]:
    """Begin a count at 0 for each of `names` that has none; which of them had one."""
    wanted = sorted(set(names))
    known = {str(row[0]) for row in tx.rows_in("SELECT name FROM attempts WHERE", ("name",), [(n,) for n in wanted])}
    fresh = [(name, 0, now_ms) for name in wanted if name not in known]
    if fresh:
        tx.upsert("attempts", ("name", "count", "time"), fresh, key=("name",), greatest=("time",))
    return known


def forget(tx: Transaction, names: Iterable[str]) -> None:
    """Begin those counts anew."""
    tx.execute_in("DELETE FROM attempts WHERE", ("name",), [(name,) for name in sorted(set(names))])


def prune(tx: Transaction, before_ms: int) -> int:
    """Forget the counts whose last attempt was before `before_ms`; how many."""
    return tx.execute("DELETE FROM attempts WHERE time < %s", (before_ms,))
