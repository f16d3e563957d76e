"""What the store knows of itself: its epoch and the number of partitions, both written once."""

from __future__ import annotations

import secrets

from store.database import Database
from store.errors import StoreError, WrongPartitions
from store.migrate import migrate
from store.transaction import Transaction


def initialise(database: Database, partitions: int) -> None:
    """Create the schema, or bring it up to date; record epoch and number of partitions at the first start. Blocks while
    another process does the same, up to 60 s.

    Raises WrongPartitions where another number was recorded, since a conversation would get a second owner; StoreError.
    """
    migrate(database)
    with database.transaction() as tx:
        first = [("epoch", secrets.token_hex(8)), ("partitions", str(partitions))]
        tx.upsert("meta", ("name", "value"), first, key=("name",))
        recorded = _value(tx, "partitions")
    if recorded != str(partitions):
        raise WrongPartitions(
            f"This store was started with {recorded} partitions and is now configured with {partitions}: "
            f"set partitions = {recorded}, since the number is fixed at the first start."
        )


def epoch(tx: Transaction) -> str:
    """The name of this store's history, 16 hexadecimal digits. Under another epoch the cursors of clients mean nothing.
    Raises StoreError where the store was never initialised."""
    return _value(tx, "epoch")


def partitions(tx: Transaction) -> int:
    """The number of partitions that was recorded at the first start. Raises StoreError as `epoch`."""
    return int(_value(tx, "partitions"))


def renew_epoch(tx: Transaction) -> str:
    """Write and return a new epoch, after the store was restored from a backup: clients then begin anew."""
    fresh = secrets.token_hex(8)
    tx.execute("UPDATE meta SET value = %s WHERE name = 'epoch'", (fresh,))
    return fresh


def _value(tx: Transaction, name: str) -> str:
    row = tx.row("SELECT value FROM meta WHERE name = %s", (name,))
    if row is None:
        raise StoreError(f"the store is not initialised: it has no {name}")
    return str(row[0])
