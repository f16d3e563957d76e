"""One batch of commands, one transaction. When it fails, retry.py says what to do; it is given up after 8 s in all.

Laws: an error rolls back at once, and everything remembered about the conversations of the batch is forgotten. A batch
that is tried again looks its cids up, since the failed try may have been committed; a command of which that is not
known stays so, whatever else goes wrong, until its cid was looked up: until then it is held, never answered `busy`.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator

import structlog

from logic.caches import Caches
from logic.handlers.table import HANDLERS
from logic.outcome import Outcome
from logic.rules import Rules
from logic.scope import Scope
from logic.work import Work
from logic.workers.poison import FAILED, poisoned
from logic.workers.retry import Split, Step, next_step
from protocol.clock import now_ms
from protocol.errors import busy
from store.database import Database
from store.errors import CommitUnknown
from store.tables import outbox
from store.transaction import Transaction

BATCH_S = 8.0

log = structlog.get_logger()


class Held:
    """In place of an outcome: whether the store has committed the command is not known. Run it again when the store can
    be asked, with its cid looked up."""


HELD = Held()
Result = Outcome | Held


def runs(works: list[Work]) -> Iterator[list[Work]]:
    """The batch in pieces for one call of a handler each, in order: consecutive commands of an op that takes a list at
    once are one piece, any other command is a piece of its own."""
    for name, group in itertools.groupby(works, key=lambda work: work.op.name):
        if HANDLERS[name].at_once:
            yield list(group)
        else:
            for work in group:
                yield [work]


class BatchRunner:
    """Runs batches over one store connection, on one thread.

    `is_store_away` becomes True when a batch fails because the store is away; the worker sets it back when a probe
    succeeds. `keep_alive` is called between two tries: it sends heartbeats to the broker, and raises BusLost when the
    batch now belongs to another worker. `while_waiting`: see Database.transaction.
    """

    def __init__(
        self,
        database: Database,
        caches: Caches,
        rules: Rules,
        keep_alive: Callable[[], None],
        while_waiting: Callable[[], None] | None = None,
    ) -> None:
        self._database = database
        self._caches = caches
        self._rules = rules
        self._keep_alive = keep_alive
        self._while_waiting = while_waiting
        self._connection_serial = -1
        self.is_store_away = False

    def __repr__(self) -> str:
        return f"BatchRunner(connection {self._connection_serial}, {self._caches})"

    def run(self, works: list[Work], *, look_up: bool = False) -> list[Result]:
        """Carry out `works`, in their order; returns the result of each. Blocks for 8 s and one try at most.

        `look_up`: some of them may be committed already. Raises BusLost, from `keep_alive`, and nothing else.
        """
        if not works:
            return []
        return self._run(works, time.monotonic() + BATCH_S, look_up=look_up)

    def _run(self, works: list[Work], ends: float, *, look_up: bool) -> list[Result]:
        """`ends` (s, monotonic) is when the batch is given up. A part of it begins with a fresh count of tries."""
        failures: list[Exception] = []
        while True:
            try:
                return list(self._transaction(works, look_up=look_up))
            except Exception as error:
                failures.append(error)
            if isinstance(failures[-1], CommitUnknown):
                for work in works:
                    work.is_written = True
            step = next_step(failures, works, is_late=time.monotonic() > ends)
            if step is not Step.AGAIN:
                break
            look_up = True
            self._keep_alive()
        if isinstance(step, Split):
            return self._parts(works, step.parts, ends)
        return self._given_up(works, step, failures[-1])

    def _parts(self, works: list[Work], parts: list[list[int]], ends: float) -> list[Result]:
        results: dict[int, Result] = {}
        for places in parts:
            part = self._run([works[place] for place in places], ends, look_up=True)
            results.update(zip(places, part, strict=True))
        return [results[place] for place in range(len(works))]

    def _given_up(self, works: list[Work], step: Step, error: Exception) -> list[Result]:
        if step is Step.POISON:
            envelope = works[0].envelope
            log.error("command_failed", command=envelope.name, op=envelope.op, trace=envelope.trace, exc_info=error)
            return [poisoned(self._database, works[0].envelope, FAILED)]
        log.warning("batch_given_up", step=step.value, commands=len(works), error=type(error).__name__)
        self.is_store_away = step is Step.AWAY
        return [HELD if work.may_be_stored else Outcome(busy()) for work in works]

    def _transaction(self, works: list[Work], *, look_up: bool) -> list[Outcome]:
        try:
            with self._database.transaction(self._while_waiting) as tx:
                if tx.connection_serial != self._connection_serial:
                    # Another server, or the same with older data, may be behind a new connection.
                    self._caches.clear()
                    self._connection_serial = tx.connection_serial
                scope = Scope(tx, self._caches, now_ms(), self._rules, look_up=look_up)
                # Before all that decisions rest on: what others write after this, the primary key tells.
                scope.timeline.load(work.key for work in works)
                outcomes = [outcome for run in runs(works) for outcome in HANDLERS[run[0].op.name].run(run, scope)]
                _take_off_the_outbox(tx, works)
        except BaseException:
            self._caches.forget({work.key for work in works})
            raise
        for conversation, sender, cid in scope.timeline.written:
            self._caches.of(conversation).cids[sender, cid] = None
        return outcomes


def _take_off_the_outbox(tx: Transaction, works: list[Work]) -> None:
    """Delete the outbox rows of the emitted commands among `works`: they are carried out, or refused."""
    emitted = [work.pair for work in works if work.envelope.emitted]
    if emitted:
        outbox.remove(tx, emitted)
