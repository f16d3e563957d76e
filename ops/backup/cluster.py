"""A cluster's store: the database in MariaDB. A backup is a dump of it; a restore reads the dump into another database,
and exchanges the two when all is well."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import msgspec

from bus.interface import BusLost
from bus.rabbit.emptying import QueueInUse, empty_commands
from bus.rabbit.topology import RabbitAddress
from conf.settings import Settings
from ops.backup import archive, mariadb
from ops.backup.archive import BadBackup, Description
from ops.backup.stores import make_current, origin_of
from ops.cluster.components import LOG_ROTATION
from ops.cluster.deployment import Deployment
from ops.processes import ProcessFailed
from ops.servers.mariadb import drop_database
from store.errors import StoreAway

LONGEST_NAME = 64  # of a database


def back_up(settings: Settings, path: Path) -> Description:
    """Make the backup `path` while all goes on. Raises ProcessFailed, also where MariaDB does not answer; StoreError,
    MissingServer, OSError."""
    try:
        origin = origin_of(settings)
    except StoreAway as error:
        raise ProcessFailed(f"MariaDB does not answer ({error}): scripts/cluster.sh up") from None
    return archive.write(path, origin, lambda content: mariadb.dump(settings.store, settings.var, content))


@contextlib.contextmanager
def exclusive(deployment: Deployment) -> Iterator[None]:
    """With MariaDB and RabbitMQ up, and nothing of ours; no other command changes the cluster meanwhile. The commands
    that waited are gone. Raises ProcessFailed where a gateway or a worker runs here, or a worker elsewhere."""
    with deployment.locked():
        running = [name for name in deployment.running() if name != LOG_ROTATION]
        if running:
            verb = "runs" if len(running) == 1 else "run"
            raise ProcessFailed(f"{', '.join(running)} {verb}: scripts/cluster.sh down first.")
        with deployment.servers_up("mariadb", "rabbitmq"):
            _empty_queues(deployment.settings)
            yield


def restore(settings: Settings, path: Path, said: Description, aside: str, *, end_sessions: bool) -> str:
    """Put the content of a backup in place of the database, whose tables go to another one, whose name ends in `aside`.
    Returns its name. Raises BadBackup, StoreError, ProcessFailed; then the database is what it was."""
    fresh = _named(settings, "restoring")
    store = fresh.store
    mariadb.make_room(store, settings.var)
    try:
        mariadb.load(store, settings.var, lambda target: archive.extract(path, said, target))
        if origin_of(fresh) != said.origin:
            raise BadBackup(f"{path} holds something else than it says: {origin_of(fresh)}.")
        make_current(fresh, end_sessions=end_sessions)
        kept = _named(settings, aside).store.database
        mariadb.exchange(settings.store, settings.var, store.database, kept)
    except BaseException:
        drop_database(store, settings.var, store.database)
        raise
    return kept


def renew(settings: Settings, *, end_sessions: bool) -> None:
    """Renew the epoch of the store as it is. Raises StoreError."""
    make_current(settings, end_sessions=end_sessions)


def _empty_queues(settings: Settings) -> None:
    bus = settings.bus
    address = RabbitAddress(bus.host, bus.port, bus.user, bus.password, bus.virtual_host)
    try:
        empty_commands(address, settings.partitions)
    except QueueInUse as queue:
        raise ProcessFailed(f"a worker takes commands from the queue {queue}: stop it, wherever it runs.") from None
    except BusLost as error:
        raise ProcessFailed(f"the queues of RabbitMQ could not be emptied: {error}") from None


def _named(settings: Settings, suffix: str) -> Settings:
    """The settings with another database beside ours."""
    room = LONGEST_NAME - len(suffix) - 1
    store = msgspec.structs.replace(settings.store, database=f"{settings.store.database[:room]}_{suffix}")
    return msgspec.structs.replace(settings, store=store)
