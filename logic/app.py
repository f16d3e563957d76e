"""The composition root of the workers: from settings to a worker with all that it needs."""

from __future__ import annotations

import secrets
import threading

from bus import queues
from bus.interface import WorkerBus
from bus.rabbit_topology import RabbitAddress
from bus.rabbit_worker import RabbitWorkerBus
from conf.settings import Settings
from logic.delivery.fanout import FanOut
from logic.delivery.gateways import Gateways
from logic.services import Services
from logic.workers.handover import Handover
from logic.workers.ordered import OrderedWorker
from logic.workers.pool import ParallelWorker
from protocol.tokens import TokenSigner
from router.address import RedisAddress
from router.interface import Resolver
from router.redis_resolver import RedisResolver
from store import meta
from store.database import Database, open_mysql, open_sqlite

Worker = OrderedWorker | ParallelWorker


def ordered_queues(settings: Settings) -> list[str]:
    return [queues.ordered(partition) for partition in range(settings.partitions)]


def open_store(settings: Settings, connections: int) -> Database:
    """The store of these settings, with a pool of `connections`."""
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
        store.read_timeout_s,
    )


def rabbit_bus(settings: Settings, queue_names: list[str], stopping: threading.Event) -> WorkerBus:
    """A worker's end of RabbitMQ, subscribed to `queue_names`."""
    bus = settings.bus
    address = RabbitAddress(bus.host, bus.port, bus.user, bus.password, bus.virtual_host, bus.heartbeat_s)
    return RabbitWorkerBus(address, queue_names, settings.partitions, bus.prefetch, stopping)


def redis_resolver(settings: Settings) -> Resolver:
    router = settings.router
    return RedisResolver(RedisAddress(router.host, router.port, router.password))


def ordered_worker(
    settings: Settings, name: str, bus: WorkerBus, resolver: Resolver, stopping: threading.Event
) -> OrderedWorker:
    """An ordered worker: one thread, one store connection."""
    epoch = secrets.token_hex(4)
    return OrderedWorker(
        bus,
        FanOut(f"{name}.{epoch}", bus, Gateways(resolver)),
        Handover(name, epoch, settings.partitions, bus, resolver),
        open_store(settings, connections=1),
        settings.partitions,
        settings.logic.batch_commands,
        settings.logic.batch_bytes,
        stopping,
    )


def parallel_worker(
    settings: Settings, name: str, bus: WorkerBus, resolver: Resolver, stopping: threading.Event
) -> ParallelWorker:
    """A parallel worker: its threads share a pool of store connections. Raises StoreAway."""
    logic = settings.logic
    database = open_store(settings, connections=logic.threads + logic.hashing_threads + 1)
    with database.reading() as tx:
        epoch = meta.epoch(tx)
    signer = TokenSigner(settings.token.secret, settings.token.access_s)
    return ParallelWorker(
        bus,
        FanOut(f"{name}.{secrets.token_hex(4)}", bus, Gateways(resolver)),
        Services(database, signer, settings.token.refresh_s, epoch),
        logic.threads,
        logic.hashing_threads,
        logic.hashing_waiting,
        stopping,
    )
