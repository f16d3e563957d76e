"""The parallel worker: ops without a conversation to own, in a pool of threads (docs/architecture.md).

Laws: one thread owns the bus; the pool's threads only hand results back and wake it. Hashing has a small pool of its
own with a bounded line, so that a flood of logins by password delays nobody else. Publish, then ack.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import structlog

from bus.interface import BusLost, WorkerBus
from logic.delivery.fanout import FanOut
from logic.handlers import accounts, conversations, group_queries, history, read_cursors, sessions, sync, users
from logic.metrics import count_commands
from logic.outcome import Outcome
from logic.services import Services
from logic.work import Work
from logic.workers import redelivery
from logic.workers.inbox import Inbox, Taken
from logic.workers.store_watch import StoreWatch
from protocol import codec
from protocol.errors import ImError, busy, internal, timeout, unknown_op
from store.errors import CommitUnknown, Contention, Duplicate, StoreAway

IDLE_S = 0.25
TRIES = 3

Handler = Callable[[Work, Services], Outcome]
ListHandler = Callable[[list[Work], Services], list[Outcome]]

HANDLERS: dict[str, Handler] = {
    "account.logout": accounts.logout,
    "token.refresh": accounts.refresh_token,
    "session.refresh": sessions.refresh,
    "user.get": users.get,
    "user.update": users.update,
    "message.history": history.history,
    "sync": sync.sync,
    "conversation.list": conversations.list_conversations,
    "group.get": group_queries.get,
    "group.list": group_queries.list_groups,
    "group.members": group_queries.list_members,
}
HASHING: dict[str, Handler] = {
    "account.register": accounts.register,
    "account.login": accounts.login,
    "account.password": accounts.change_password,
}
LISTS: dict[str, ListHandler] = {
    "session.open": sessions.open_all,
    "message.read": read_cursors.read_all,
}

log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Pending:
    """A taken and how many of its commands have no outcome yet."""

    taken: Taken
    remaining: int


@dataclass(frozen=True, slots=True)
class Finished:
    """What a thread of a pool hands back."""

    pending: Pending
    works: list[Work]
    outcomes: list[Outcome]
    is_poisoned: bool = False


def _one_by_one(handler: Handler) -> ListHandler:
    return lambda works, services: [handler(work, services) for work in works]


def _failed(works: list[Work], error: Exception) -> list[Outcome]:
    """What to answer when a handler raised: a refusal of its own, a store that cannot be used now, a fault of ours."""
    if isinstance(error, ImError):
        return [Outcome(error) for _ in works]
    if isinstance(error, CommitUnknown):
        return [Outcome(timeout()) for _ in works]
    if isinstance(error, (StoreAway, Contention)):
        log.warning("store_away", op=works[0].op.name, error=type(error).__name__)
        return [Outcome(busy()) for _ in works]
    trace = works[0].command.trace or works[0].command.name
    log.error("command_failed", op=works[0].op.name, trace=trace, exc_info=error)
    return [Outcome(internal(trace)) for _ in works]


class ParallelWorker:
    """Runs in one thread, which owns `bus`; handlers run in two pools."""

    def __init__(
        self,
        bus: WorkerBus,
        fan_out: FanOut,
        services: Services,
        threads: int,
        hashing_threads: int,
        hashing_waiting: int,
        stopping: threading.Event,
    ) -> None:
        self._bus = bus
        self._fan_out = fan_out
        self._services = services
        self._stopping = stopping
        self._inbox = Inbox(bus)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="parallel")
        self._hashing = ThreadPoolExecutor(hashing_threads, thread_name_prefix="hashing")
        self._hashing_room = threading.BoundedSemaphore(hashing_threads + hashing_waiting)
        self._finished: queue.SimpleQueue[Finished] = queue.SimpleQueue()
        self._under_way: set[Pending] = set()
        self._watch = StoreWatch(services.database)
        self._is_connected = False

    def __repr__(self) -> str:
        return f"ParallelWorker({len(self._under_way)} deliveries under way, {self._inbox})"

    @property
    def is_ready(self) -> bool:
        """Whether it has a broker and a store."""
        return self._is_connected and not self._watch.is_away

    def run(self) -> None:
        """Serve until `stopping`, over as many broker connections as it takes."""
        self._watch.start()
        while not self._stopping.is_set():
            try:
                self._bus.connect()
                self._is_connected = True
                self._serve()
                self._drain()
            except BusLost as lost:
                self._is_connected = False
                log.warning("bus_lost", reason=str(lost))
                self._inbox.clear()
                self._under_way.clear()
        self._stop()

    def _stop(self) -> None:
        self._fan_out.bye()
        self._bus.close()
        self._pool.shutdown()
        self._hashing.shutdown()
        self._watch.close()
        self._services.database.close()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self._inbox.pull(IDLE_S)
            for taken in self._inbox.next_batch(max_commands=1_000_000, max_bytes=1 << 40):
                self._start(taken)
            self._settle()
            self._fan_out.is_ready = self.is_ready
            self._fan_out.beacon()

    def _drain(self) -> None:
        """Stopping: answer what is under way, take nothing more."""
        while self._under_way:
            self._bus.take(IDLE_S)
            self._settle()

    def _start(self, taken: Taken) -> None:
        pending = Pending(taken, len(taken.works))
        self._under_way.add(pending)
        if taken.refused:
            self._fan_out.send(taken.refused)
        if not taken.works:
            self._finish(pending)
        lists: dict[str, list[Work]] = {}
        for work in taken.works:
            name = work.op.name
            if taken.delivery.redelivered:
                self._submit(pending, [work], self._redelivered)
            elif name in LISTS:
                lists.setdefault(name, []).append(work)
            elif name in HASHING:
                self._submit_hashing(pending, work)
            else:
                self._submit(pending, [work], self._one(name))
        for name, works in lists.items():
            self._submit(pending, works, LISTS[name])

    def _one(self, name: str) -> ListHandler:
        handler = HANDLERS.get(name) or HASHING.get(name)
        if handler is None:
            return LISTS.get(name) or (lambda works, _: [Outcome(unknown_op()) for _ in works])
        return _one_by_one(handler)

    def _submit(self, pending: Pending, works: list[Work], handler: ListHandler) -> None:
        self._pool.submit(self._carry_out, pending, works, handler)

    def _submit_hashing(self, pending: Pending, work: Work) -> None:
        if self._hashing_room.acquire(blocking=False):
            self._hashing.submit(self._hash, pending, work)
        else:
            self._finished.put(Finished(pending, [work], [Outcome(busy())]))

    def _hash(self, pending: Pending, work: Work) -> None:
        try:
            self._carry_out(pending, [work], _one_by_one(HASHING[work.op.name]))
        finally:
            self._hashing_room.release()

    def _redelivered(self, works: list[Work], services: Services) -> list[Outcome]:
        """By itself, counted: it may have killed its last worker."""
        (work,) = works
        if redelivery.is_given_up(services.database, work):
            log.error("command_given_up", command=work.command.name, op=work.op.name)
            raise _GivenUp
        outcomes = self._one(work.op.name)(works, services)
        redelivery.forget(services.database, works)
        return outcomes

    def _carry_out(self, pending: Pending, works: list[Work], handler: ListHandler) -> None:
        """In a pool's thread."""
        is_poisoned = False
        try:
            outcomes = self._tried(works, handler)
            self._watch.worked()
        except _GivenUp:
            is_poisoned = True
            outcomes = [Outcome(internal(works[0].command.name))]
        except Exception as error:
            if isinstance(error, StoreAway):
                self._watch.failed()
            outcomes = _failed(works, error)
        self._finished.put(Finished(pending, works, outcomes, is_poisoned))
        self._bus.wake()

    def _tried(self, works: list[Work], handler: ListHandler) -> list[Outcome]:
        """A deadlock or a lock wait undid the whole transaction, so the whole handler runs again. So it does when the
        same write was committed meanwhile: it is found then."""
        for _ in range(TRIES - 1):
            try:
                return handler(works, self._services)
            except (Contention, Duplicate):
                continue
        return handler(works, self._services)

    def _settle(self) -> None:
        """Publish what is finished, one message a gateway; then ack the deliveries that are done."""
        finished: list[Finished] = []
        while not self._finished.empty():
            finished.append(self._finished.get())
        # What a former connection delivered is no longer ours to answer.
        done = [item for item in finished if item.pending in self._under_way]
        decided = [(w.command, o) for item in done for w, o in zip(item.works, item.outcomes, strict=True)]
        self._fan_out.send(decided)
        count_commands(decided)
        for item in done:
            if item.is_poisoned:
                self._bury(item)
            item.pending.remaining -= len(item.works)
            if item.pending.remaining == 0:
                self._finish(item.pending)

    def _bury(self, item: Finished) -> None:
        for work in item.works:
            self._bus.dead_letter(codec.write_struct(work.command), "delivered three times")

    def _finish(self, pending: Pending) -> None:
        self._under_way.discard(pending)
        self._bus.ack([pending.taken.delivery])


class _GivenUp(Exception):
    """A command came back too often."""
