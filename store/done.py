"""Writes that leave no message: each leaves what it answered, under its cid, so that a retry gets the same answer."""

from __future__ import annotations

from collections.abc import Iterable

from store.transaction import Transaction

_COLUMNS = ("sender", "cid", "digest", "reply", "time")


def find(tx: Transaction, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], tuple[bytes, str]]:
    """(digest of the request, reply as JSON text) for each (sender, cid) that was done."""
    rows = tx.rows_in("SELECT sender, cid, digest, reply FROM done WHERE", ("sender", "cid"), pairs)
    return {(str(sender), str(cid)): (bytes(digest), str(reply)) for sender, cid, digest, reply in rows}


def insert(tx: Transaction, sender: str, cid: str, digest: bytes, reply: str, now_ms: int) -> None:
    """Raises Duplicate "done"."""
    tx.insert("done", _COLUMNS, [(sender, cid, digest, reply, now_ms)])
