"""A pool worker: commands without an owner, carried out in threads (docs/architecture.md).

Laws: one thread owns the bus; the threads of lanes only hand outcomes back and wake it. Each lane has threads of its
own, and a bounded one refuses commands where too many wait: a flood of logins by password delays no other command. A
delivery is acked when the outcomes of all its commands are published. A write of which the store has not said whether
it is committed has none: it is held, and tried again, until a look at its cid tells.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Mapping

from bus.interface import WorkerBus
from logic.delivery.emitter import Emitter
from logic.delivery.fanout import FanOut
from logic.handlers.table import Handler
from logic.metrics import count_commands
from logic.services import Services
from logic.work import Work
from logic.workers.inbox import Inbox, Taken
from logic.workers.outbox_watch import OutboxWatch
from logic.workers.poison import bury, without_unreadable
from logic.workers.pool.execution import Execution
from logic.workers.pool.lanes import Lane, LaneSize
from logic.workers.pool.pending import Finished, HeldWorks, Pending, put_off
from logic.workers.purge import PurgeJob
from logic.workers.serving import Serving
from logic.workers.store_watch import StoreWatch
from store.tables.outbox import OutboxRow

IDLE_S = 0.25


class PoolWorker:
    """`run` is the one thread that owns `bus`; other threads may only ask `is_ready`, and set `stopping`.

    `handlers` {op: handler} run in the threads of `lanes` {name of the lane: size}.
    """

    def __init__(
        self,
        bus: WorkerBus,
        fan_out: FanOut,
        emitter: Emitter,
        services: Services,
        handlers: Mapping[str, Handler],
        lanes: Mapping[str, LaneSize],
        outbox_watch: OutboxWatch,
        purge_job: PurgeJob,
        stopping: threading.Event,
    ) -> None:
        self._bus = bus
        self._fan_out = fan_out
        self._emitter = emitter
        self._services = services
        self._handlers = handlers
        self._lanes = {name: Lane(name, size) for name, size in lanes.items()}
        self._looking = Lane("outbox", LaneSize(threads=1, waiting=0))
        self._outbox_watch = outbox_watch
        self._purge_job = purge_job
        self._stopping = stopping
        self._inbox = Inbox(bus)
        self._finished: queue.SimpleQueue[Finished] = queue.SimpleQueue()
        self._due: queue.SimpleQueue[list[OutboxRow]] = queue.SimpleQueue()
        self._under_way: set[Pending] = set()
        self._held = HeldWorks()
        self._watch = StoreWatch(services.database)
        self._execution = Execution(services, self._watch, self._under_way.__contains__, self._hand_back)
        self._serving = Serving(bus, stopping, self._serve, self._forget_everything)

    def __repr__(self) -> str:
        return f"PoolWorker({len(self._under_way)} deliveries under way, {self._held}, {self._inbox})"

    @property
    def is_ready(self) -> bool:
        """Whether it can serve: it has a broker, and its store answers."""
        return self._serving.is_connected and not self._watch.is_away

    def run(self) -> None:
        """Serve until `stopping` is set, over as many broker connections as it takes; then answer what is under way,
        close everything and return. May be called again when it has died of anything."""
        self._watch.start()
        self._purge_job.start()
        self._serving.run()
        self._stop()

    def _forget_everything(self) -> None:
        self._inbox.clear()
        self._under_way.clear()
        self._held.clear()

    def _stop(self) -> None:
        self._fan_out.bye()
        self._bus.close()
        for lane in (*self._lanes.values(), self._looking):
            lane.close()
        self._outbox_watch.give_up()
        self._purge_job.close()
        self._watch.close()
        self._services.database.close()

    def _serve(self) -> None:
        """Over one connection, to the end. Raises BusLost."""
        while not self._stopping.is_set():
            self._inbox.pull(IDLE_S)
            # everything: the prefetch bounds what is here, and lanes bound what waits
            for taken in self._inbox.next_batch(max_commands=1_000_000, max_bytes=1 << 40):
                self._start(taken)
            self._settle()
            self._try_held()
            self._send_again()
            self._fan_out.is_ready = self.is_ready
            self._fan_out.beacon()
        self._drain()

    def _drain(self) -> None:
        """Stopping: answer what is under way. Deliveries are taken only for the sake of heartbeats; unacked, they go to
        other workers, and so do those that are held."""
        while not self._held.is_all_of(self._under_way):
            self._bus.take(IDLE_S)
            self._settle()

    def _try_held(self) -> None:
        for pending, work in [] if self._watch.is_away else self._held.take_due():
            self._submit(pending, [work], self._handlers.get(work.op.name))

    def _send_again(self) -> None:
        if not self._watch.is_away and self._outbox_watch.is_due():
            self._looking.submit(self._look)
        while not self._due.empty():
            self._emitter.send(self._due.get())

    def _look(self) -> None:
        rows = self._outbox_watch.look()
        if rows:
            self._due.put(rows)
            self._bus.wake()

    # --- on the bus's thread: commands to lanes

    def _start(self, taken: Taken) -> None:
        pending = Pending(taken, len(taken.works))
        self._under_way.add(pending)
        if taken.refused:
            refused = without_unreadable(self._services.database, taken.refused)
            self._fan_out.send(refused)
            bury(self._bus, refused)
        if not taken.works:
            self._finish(pending)
        # Redelivered commands run one by one: any of them may have killed its last worker.
        lists: dict[str, list[Work]] = {}
        for work in taken.works:
            handler = self._handlers.get(work.op.name)
            if handler is not None and handler.at_once and not taken.delivery.redelivered:
                lists.setdefault(work.op.name, []).append(work)
            else:
                self._submit(pending, [work], handler)
        for name, works in lists.items():
            self._submit(pending, works, self._handlers[name])

    def _submit(self, pending: Pending, works: list[Work], handler: Handler | None) -> None:
        if handler is None:
            self._finished.put(Finished(pending, works, [self._execution.nobodys(work) for work in works]))
        else:
            self._lanes[handler.lane].submit(
                lambda: self._execution.carry_out(pending, works, handler),
                lambda: self._finished.put(Finished(pending, works, put_off(works))),
                handler.share(works[0]),
            )

    def _hand_back(self, finished: Finished) -> None:
        """By a thread of a lane."""
        self._finished.put(finished)
        self._bus.wake()

    # --- on the bus's thread: outcomes

    def _settle(self) -> None:
        """Publish the outcomes that threads have handed back, by one message to each gateway; then ack the deliveries
        whose commands all have one. Keep what is held. Raises BusLost."""
        finished: list[Finished] = []
        while not self._finished.empty():
            finished.append(self._finished.get())
        # Deliveries of a former connection belong to other workers, who answer them.
        ours = [item for item in finished if item.pending in self._under_way]
        for item in ours:
            self._held.hold(item.pending, item.held())
        decided = [pair for item in ours for pair in item.decided()]
        self._fan_out.send(decided)
        self._emitter.send(row for _, outcome in decided for row in outcome.emitted)
        bury(self._bus, decided)
        done = [item for item in ours if item.is_last]
        count_commands([pair for item in done for pair in item.decided()])
        for item in done:
            item.pending.remaining -= len(item.decided())
            if item.pending.remaining == 0:
                self._finish(item.pending)

    def _finish(self, pending: Pending) -> None:
        self._under_way.discard(pending)
        self._bus.ack([pending.taken.delivery])
