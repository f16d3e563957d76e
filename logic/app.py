"""The composition root of the workers: from settings to a worker with all that it needs."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable

from bus.interface import WorkerBus
from bus.rabbit.topology import RabbitAddress
from bus.rabbit.worker import RabbitWorkerBus
from conf.settings import Settings
from conf.tls import tls_context
from logic.delivery.emitter import Emitter
from logic.delivery.fanout import FanOut
from logic.delivery.gateways import Gateways
from logic.handlers.table import COMMON, HANDLERS, HASHING
from logic.refresh_tokens import RefreshTokens
from logic.rules import Rules
from logic.services import Services
from logic.workers.handover import Handover
from logic.workers.kinds import WorkerKind
from logic.workers.ordered import BatchSize, OrderedWorker
from logic.workers.outbox_watch import OutboxWatch
from logic.workers.pool.lanes import LaneSize
from logic.workers.pool.worker import PoolWorker
from logic.workers.purge import PurgeJob
from protocol.ops import OPS
from protocol.tokens import TokenSigner
from router.interface import Resolver
from router.redis.address import RedisAddress
from router.redis.keys import Keys
from router.redis.resolver import RedisResolver
from store import meta
from store.database import Database, open_mysql, open_sqlite
from store.tables.purges import PURGES

Worker = OrderedWorker | PoolWorker
Make = Callable[[WorkerKind, Settings, str, WorkerBus, Resolver, threading.Event], Worker]


def open_store(settings: Settings, connections: int, read_timeout_s: float | None = None) -> Database:
    """The store of these settings, with a pool of `connections`. A migration may take longer than anything else:
    `read_timeout_s` is then in place of the setting. Connects when it is first used."""
    store = settings.store
    if store.kind == "sqlite":
        path = settings.var / store.path
        path.parent.mkdir(parents=True, exist_ok=True)
        return open_sqlite(str(path), connections)
    return open_mysql(
        store.host,
        store.port,
        store.user,
        store.password,
        store.database,
        connections,
        store.connect_timeout_s,
        read_timeout_s or store.read_timeout_s,
        tls_context(store),
    )


def rabbit_bus(settings: Settings, kind: WorkerKind, stopping: threading.Event) -> WorkerBus:
    """A worker's end of RabbitMQ, for the queues of its kind. Connects when the worker runs; `stopping` ends that."""
    bus = settings.bus
    address = RabbitAddress(bus.host, bus.port, bus.user, bus.password, bus.virtual_host, bus.heartbeat_s)
    queues = kind.queues(settings.partitions)
    return RabbitWorkerBus(
        address, queues, settings.partitions, bus.prefetch, stopping, settings.retention.dead_letters_s
    )


def redis_resolver(settings: Settings) -> Resolver:
    """A worker's end of the router in Redis. Connects at its first use; for one thread."""
    router = settings.router
    return RedisResolver(RedisAddress(router.host, router.port, router.password), Keys(router.prefix))


def make_worker(
    kind: WorkerKind, settings: Settings, name: str, bus: WorkerBus, resolver: Resolver, stopping: threading.Event
) -> Worker:
    """A worker of this kind, named `name` (unique among the workers), which serves from `run` on until `stopping` is
    set. A pool worker reads the store first: raises StoreAway."""
    return _MAKERS[kind.runs](kind, settings, name, bus, resolver, stopping)


def _ordered_worker(
    kind: WorkerKind, settings: Settings, name: str, bus: WorkerBus, resolver: Resolver, stopping: threading.Event
) -> OrderedWorker:
    """One thread, and one store connection for it and for its watch."""
    epoch = secrets.token_hex(4)
    source = f"{name}.{epoch}"
    return OrderedWorker(
        bus,
        FanOut(source, kind.name, bus, Gateways(resolver)),
        Emitter(source, bus, settings.partitions),
        Handover(name, epoch, settings.partitions, bus, resolver),
        open_store(settings, connections=1),
        settings.partitions,
        BatchSize(settings.logic.batch_commands, settings.logic.batch_bytes),
        Rules(settings.logic.recall_s, settings.logic.max_groups_per_user),
        stopping,
    )


def _pool_worker(
    kind: WorkerKind, settings: Settings, name: str, bus: WorkerBus, resolver: Resolver, stopping: threading.Event
) -> PoolWorker:
    """Threads in the lanes that its handlers name. The pool has a store connection for each, and one each for the
    watches of store and outbox, and for the purge."""
    handlers = {op: handler for op, handler in HANDLERS.items() if OPS[op].worker == kind.name}
    sizes = {
        COMMON: LaneSize(settings.logic.threads),
        HASHING: LaneSize(settings.logic.hashing_threads, settings.logic.hashing_waiting),
    }
    lanes = {name: sizes[name] for name in sorted({handler.lane for handler in handlers.values()})}
    database = open_store(settings, connections=sum(size.threads for size in lanes.values()) + 3)
    with database.reading() as tx:
        epoch = meta.epoch(tx)
    source = f"{name}.{secrets.token_hex(4)}"
    signer = TokenSigner(settings.token.secret, settings.token.access_s)
    return PoolWorker(
        bus,
        FanOut(source, kind.name, bus, Gateways(resolver)),
        Emitter(source, bus, settings.partitions),
        Services(
            database,
            signer,
            RefreshTokens(settings.token.secret),
            settings.token.refresh_s,
            epoch,
            shared_networks=settings.logic.shared_addresses,
        ),
        handlers,
        lanes,
        OutboxWatch(database, source),
        _purge_job(settings, database, source),
        stopping,
    )


def _purge_job(settings: Settings, database: Database, holder: str) -> PurgeJob:
    retention = settings.retention
    keep_s = {name: int(getattr(retention, f"{name}_s")) for name in PURGES if hasattr(retention, f"{name}_s")}
    return PurgeJob(database, holder, keep_s, retention.every_s)


_MAKERS: dict[str, Make] = {"owner": _ordered_worker, "pool": _pool_worker}
