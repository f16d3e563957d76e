"""What the store knows of itself: its epoch and the number of partitions, both written once."""

from __future__ import annotations

import secrets

from store.database import Database
from store.errors import StoreError, WrongPartitions
from store.migrate import migrate
from store.transaction import Transaction


def initialise(database: Database, partitions: int) -> None:
    """Create or bring up to date the schema; record epoch and partitions at the first start.

    Raises WrongPartitions where another number of partitions was recorded: a conversation would get a second owner.
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
    """Names this store's history; another epoch means that cursors of clients do not apply."""
    return _value(tx, "epoch")


def renew_epoch(tx: Transaction) -> str:
    """A new epoch, for whoever has restored the store from a backup: clients then begin anew."""
    fresh = secrets.token_hex(8)
    tx.execute("UPDATE meta SET value = %s WHERE name = 'epoch'", (fresh,))
    return fresh


def _value(tx: Transaction, name: str) -> str:
    row = tx.row("SELECT value FROM meta WHERE name = %s", (name,))
    if row is None:
        raise StoreError(f"the store is not initialised: it has no {name}")
    return str(row[0])
