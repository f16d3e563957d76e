"""What can go wrong with the store, in the caller's terms: which reaction each error asks for.

Law: nothing of pymysql, dbutils or sqlite3 leaves this package; every failure of theirs is one of these.
After any of these but `Duplicate` and `BadValue` the transaction is over and nothing of it is stored, save that
`CommitUnknown` does not know: look the cids up to find out.
"""

from __future__ import annotations


class StoreError(Exception):
    """A statement failed for a reason that repeating it does not cure, unless a subclass says otherwise."""


class StoreAway(StoreError):
    """The store cannot take it now: not reachable, lost, shutting down, full, read-only, or no free connection."""


class CommitUnknown(StoreAway):
    """The connection was lost while COMMIT was under way: everything is stored, or nothing."""


class Contention(StoreError):
    """A deadlock, a lock wait or a busy file: begin the whole transaction anew."""


class Duplicate(StoreError):
    """A row with this key exists. `constraint` is the logical name: "messages.cid", "users.username"."""

    def __init__(self, constraint: str) -> None:
        super().__init__(f"duplicate {constraint}")
        self.constraint = constraint


class BadValue(StoreError):
    """A value does not fit its column: too long, missing, out of range, not encodable."""


class AlreadyDone(StoreError):
    """A migration that was cut short is being repeated: what a statement makes is there, or what it drops is gone."""


class WrongPartitions(StoreError):
    """The configured number of partitions is not the one recorded at the first start."""
