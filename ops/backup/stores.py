"""What is the same for both kinds of store: where a backup comes from, and what a content needs before it is used."""

from __future__ import annotations

from conf.settings import Settings
from logic.app import open_store
from ops.backup.archive import BadBackup, Description, Origin
from protocol.clock import now_ms
from store import meta, migrate
from store.tables import sessions

MIGRATION_S = 6 * 3600.0  # of a large table


def origin_of(settings: Settings) -> Origin:
    """What the store of these settings is. Raises StoreError: it does not answer, or was never initialised."""
    database = open_store(settings, connections=1)
    try:
        with database.reading() as tx:
            return Origin(settings.store.kind, migrate.version(tx), meta.epoch(tx), meta.partitions(tx))
    finally:
        database.close()


def require_fitting(said: Description, settings: Settings) -> None:
    """Raises BadBackup where a backup cannot be put into the store of these settings."""
    origin, kind = said.origin, settings.store.kind
    if origin.kind != kind:
        raise BadBackup(f"the backup is of {origin.kind}, and the store here is {kind}.")
    if origin.schema > migrate.newest():
        raise BadBackup(
            f"the backup was made by a newer version, {said.version}: its tables are those of schema {origin.schema}, "
            f"and this version knows them up to {migrate.newest()}."
        )
    if origin.partitions != settings.partitions:
        raise BadBackup(
            f"the backup has {origin.partitions} partitions: set partitions = {origin.partitions}, since the number is "
            "fixed at the first start."
        )


def make_current(settings: Settings, *, end_sessions: bool) -> str:
    """Bring the tables up to date and renew the epoch; returns the new one. With `end_sessions` nobody stays logged in.
    Raises StoreError."""
    database = open_store(settings, connections=1, read_timeout_s=MIGRATION_S)
    try:
        meta.initialise(database, settings.partitions)
        with database.transaction() as tx:
            if end_sessions:
                sessions.revoke_all(tx, now_ms())
            return meta.renew_epoch(tx)
    finally:
        database.close()
