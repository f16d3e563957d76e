"""What can go wrong with the store, by what its caller can do about it.

Laws: nothing of pymysql, dbutils or sqlite3 leaves this package; every failure of theirs is one of these. After
`StoreAway` or `Contention` the transaction is over and nothing of it is stored; only after `CommitUnknown` all of it
may be: look the cids up. After any other error the statement did nothing, and the transaction may go on.
"""

from __future__ import annotations


class StoreError(Exception):
    """Base of all. Itself: a statement failed for a reason that no repetition cures, such as an SQL error."""


class StoreAway(StoreError):
    """The store cannot be used now: not reachable, lost, shutting down, or no connection is free."""


class CannotWrite(StoreAway):
    """The store answers, and refuses to write: its disk or a quota is full, it is read-only. Nothing is stored, also
    where COMMIT was refused."""


class CommitUnknown(StoreAway):
    """The connection was lost while COMMIT was under way: everything is stored, or nothing."""


class Contention(StoreError):
    """A deadlock, a lock wait or a busy file: begin the whole transaction anew."""


class Duplicate(StoreError):
    """A row with this key exists. `constraint` is its name in dialect.CONSTRAINTS: "messages.cid", "users.username"."""

    def __init__(self, constraint: str) -> None:
        super().__init__(f"duplicate {constraint}")
        self.constraint = constraint


class BadValue(StoreError):
    """A value does not fit its column: too long, missing, out of range, not encodable."""


class AlreadyDone(StoreError):
    """Only while a migration that was cut short is repeated: what the statement makes exists already, or what it drops
    is gone."""


class WrongPartitions(StoreError):
    """The configured number of partitions is not the one recorded at the first start."""
