"""The ordered worker: owner of some partitions, one thread, one batch after another (docs/architecture.md).

Laws:
- Decide and COMMIT; then resolve and publish; ack last. Nothing is ever nacked.
- After BusLost every delivery belongs to another worker: it is forgotten, with all caches.
- A batch is published before the next one is committed: at once, or, where so much waits that the rate counts and not
  the moment, while the store writes the next one (docs/decisions/0012-overlap.md).
"""

from __future__ import annotations

import threading
import time
from typing import NamedTuple

import structlog

from bus import queues
from bus.interface import WorkerBus
from logic.caches import Caches
from logic.delivery.emitter import Emitter
from logic.delivery.fanout import FanOut
from logic.metrics import BATCHES, count_commands
from logic.outcome import Outcome
from logic.rules import Rules
from logic.work import Work
from logic.workers import redelivery
from logic.workers.batch import HELD, BatchRunner, Held, Result
from logic.workers.handover import Handover
from logic.workers.inbox import Inbox, Taken
from logic.workers.overlap import OverlappedWork
from logic.workers.poison import GIVEN_UP, bury, poisoned, without_unreadable
from logic.workers.serving import Serving
from logic.workers.store_watch import StoreWatch
from protocol.errors import busy
from store.database import Database
from store.errors import StoreError

IDLE_S = 0.25
PROBE_S = 0.5
SLOW_BATCH_S = 1.0
BUSY_COMMANDS = 64  # that wait: then a batch is published while the store writes the next

log = structlog.get_logger()


class Decided(NamedTuple):
    """A batch with its works and the result of each; it is committed, and not published yet."""

    batch: list[Taken]
    works: list[Work]
    results: list[Result]


class BatchSize(NamedTuple):
    """At most how many commands, and bytes of deliveries, are put into one transaction."""

    commands: int
    bytes: int


class OrderedWorker:
    """`run` is its one thread, which owns `bus`; other threads may only ask `is_ready`, and set `stopping`."""

    def __init__(
        self,
        bus: WorkerBus,
        fan_out: FanOut,
        emitter: Emitter,
        handover: Handover,
        database: Database,
        partitions: int,
        size: BatchSize,
        rules: Rules,
        stopping: threading.Event,
    ) -> None:
        self._bus = bus
        self._fan_out = fan_out
        self._emitter = emitter
        self._handover = handover
        self._database = database
        self._size = size
        self._stopping = stopping
        self._caches = Caches(partitions)
        self._inbox = Inbox(bus)
        self._overlapped = OverlappedWork()
        self._runner = BatchRunner(database, self._caches, rules, self._keep_alive, self._overlapped)
        self._decided: Decided | None = None
        self._held: list[Taken] = []
        self._watch = StoreWatch(database)
        self._probed_at = float("-inf")
        self._serving = Serving(bus, stopping, self._serve, self._forget_everything)

    def __repr__(self) -> str:
        return f"OrderedWorker({self._inbox}, {len(self._held)} held, {self._handover}, {self._runner})"

    @property
    def is_ready(self) -> bool:
        """Whether it can serve: it has a broker, and its store answers."""
        return self._serving.is_connected and not self._is_away and not self._watch.is_away

    def run(self) -> None:
        """Serve until `stopping` is set, over as many broker connections as it takes; then finish what was taken, close
        everything and return. May be called again when it has died of anything."""
        self._watch.start()
        self._serving.run()
        self._stop()

    def _finish_taken(self) -> None:
        """Stopping: take no more, and carry out what was taken, so that it is not redelivered to others."""
        self._handover.stop_taking()
        while batch := self._inbox.next_batch(self._size.commands, self._size.bytes):
            self._carry_out(batch)
            self._pull(0)  # heartbeats: nothing comes
        self._finish_decided()

    def _stop(self) -> None:
        self._handover.withdraw()
        self._fan_out.bye()
        self._bus.close()
        self._watch.close()
        self._database.close()

    def _forget_everything(self) -> None:
        self._inbox.clear()
        self._held.clear()
        self._decided = None
        self._overlapped.begin()
        self._caches.clear()
        self._handover.lost()

    def _serve(self) -> None:
        """Over one connection, to the end. Raises BusLost."""
        while not self._stopping.is_set():
            self._pull(0 if len(self._inbox) else IDLE_S)  # often enough for beacons (1 s) and heartbeats
            batch = self._inbox.next_batch(self._size.commands, self._size.bytes)
            if self._is_away:
                self._probe()
            if batch:
                self._carry_out(batch)
            self._fan_out.is_ready = self.is_ready
            self._fan_out.beacon()
            self._handover.step()
            self._hand_over()
        self._finish_taken()

    def _pull(self, wait_s: float) -> None:
        for queue in self._inbox.pull(wait_s):
            self._handover.saw(queue)

    def _keep_alive(self) -> None:
        """Between two tries of a batch: publish the batch before it, whose senders need not wait for these tries; then
        send heartbeats. Raises BusLost where the batch now belongs to another worker."""
        self._finish_decided()
        self._pull(0)

    def _hand_over(self) -> None:
        leaving = self._handover.leaving
        if leaving is None:
            return
        self._finish_decided()  # the partition may be in it, and everything taken must be acked first
        queue = queues.ordered(leaving)
        if self._inbox.has_from(queue) or any(taken.delivery.queue == queue for taken in self._held):
            return
        self._caches.give_up(self._handover.finish())

    def _carry_out(self, batch: list[Taken]) -> None:
        begun = time.monotonic()
        for taken in batch:
            if taken.refused:
                taken.refused = without_unreadable(self._database, taken.refused)
        works = [work for taken in batch for work in taken.works]
        BATCHES.observe(len(works))
        if self._decided is not None:
            self._overlapped.begin(self._finish_decided, self._keep_alive)
        results = self._results(works)
        self._overlapped.finish()
        self._decided = Decided(batch, works, results)
        if self._is_away or HELD in results or self._inbox.commands < BUSY_COMMANDS:
            self._finish_decided()
        took = time.monotonic() - begun
        if took > SLOW_BATCH_S:
            log.warning("slow_batch", commands=len(works), seconds=round(took, 1))

    def _results(self, works: list[Work]) -> list[Result]:
        if self._is_away:
            # `busy` at once, except for commands that may have been committed before.
            return [self._while_away(work) for work in works]
        if any(work.redelivered for work in works):
            return self._redelivered(works)
        return self._runner.run(works)

    def _while_away(self, work: Work) -> Result:
        return HELD if work.may_be_stored else Outcome(busy())

    def _redelivered(self, works: list[Work]) -> list[Result]:
        """Run redelivered commands, with their cids looked up, since any may be committed. All at once when they come
        back for the first time; one by one when some came back before, since one of these may have killed its last
        worker (docs/decisions/0005-redelivery.md)."""
        self._keep_alive()
        try:
            if redelivery.came_back_before(self._database, works):
                return [self._alone(work) for work in works]
            results = self._runner.run(works, look_up=True)
            redelivery.forget(self._database, works)
        except StoreError as error:
            # Also where all were committed and only `forget` failed: held, they are run again and found by their cids.
            log.warning("redelivered_held", commands=len(works), error=str(error))
            return [HELD for _ in works]
        return results

    def _alone(self, work: Work) -> Result:
        self._keep_alive()
        try:
            if redelivery.is_given_up(self._database, work):
                log.error("command_given_up", command=work.envelope.name, op=work.op.name)
                return poisoned(self._database, work.envelope, GIVEN_UP)
            (result,) = self._runner.run([work], look_up=True)
            redelivery.forget(self._database, [work])
        except StoreError as error:
            log.warning("redelivered_held", commands=1, error=str(error))
            return HELD
        return result

    def _finish_decided(self) -> None:
        """Publish and ack the last batch, if it is decided and not published yet."""
        decided, self._decided = self._decided, None
        if decided is not None:
            self._finish(decided.batch, decided.works, decided.results)

    def _finish(self, batch: list[Taken], works: list[Work], results: list[Result]) -> None:
        """Publish the outcomes, then ack the deliveries of which every command has one; the other deliveries are held,
        with the commands that have none."""
        refused = [pair for taken in batch for pair in taken.refused]
        decided = [(work.envelope, r) for work, r in zip(works, results, strict=True) if isinstance(r, Outcome)]
        self._fan_out.send(refused + decided)
        self._emitter.send(row for _, outcome in decided for row in outcome.emitted)
        count_commands(decided)
        bury(self._bus, refused + decided)
        unknown = {work.envelope.name for work, r in zip(works, results, strict=True) if isinstance(r, Held)}
        done = []
        for taken in batch:
            taken.works = [work for work in taken.works if work.envelope.name in unknown]
            taken.refused = []
            if taken.works:
                self._held.append(taken)
            else:
                done.append(taken.delivery)
        self._bus.ack(done)
        if not self._is_away:
            self._watch.worked()

    @property
    def _is_away(self) -> bool:
        """Whether the store was away when it was last tried, or commands are still held because of that."""
        return self._runner.is_store_away or bool(self._held)

    def _probe(self) -> None:
        """See every 500 ms whether the store is back; when it is, run the held deliveries again, in their order."""
        now = time.monotonic()
        if now - self._probed_at < PROBE_S:
            return
        self._probed_at = now
        try:
            self._database.probe()
        except StoreError:
            return
        self._runner.is_store_away = False
        held, self._held = self._held, []
        log.info("store_back", held=len(held))
        while held and not self._held:
            taken = held.pop(0)
            works = taken.works
            came_back = taken.delivery.redelivered
            results = self._redelivered(works) if came_back else self._runner.run(works, look_up=True)
            self._finish([taken], works, results)
        # One that must be held again holds those behind it, which may come after it in the same conversation.
        self._held += held
