"""Carries out commands of a pool worker, in the threads of its lanes, and hands their results back.

Laws: whatever a handler raises, each command gets a result. Of a list only the command that fails alone has to suffer.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import suppress

import structlog

from logic.handlers.table import Handler
from logic.outcome import Outcome
from logic.services import Services
from logic.work import Work
from logic.workers import redelivery
from logic.workers.batch import Result
from logic.workers.poison import FAILED, GIVEN_UP, NO_HANDLER, poisoned
from logic.workers.pool.pending import Finished, Pending, put_off
from logic.workers.store_watch import StoreWatch
from protocol.errors import internal, timeout, unknown_op
from protocol.models import Effect
from store.errors import CannotWrite, CommitUnknown, Contention, Duplicate, StoreAway
from store.tables import outbox

TRIES = 3

log = structlog.get_logger()


class Execution:
    """`is_ours` says whether a delivery is still of the present connection; `hand_back` may be called by any thread."""

    def __init__(
        self,
        services: Services,
        watch: StoreWatch,
        is_ours: Callable[[Pending], bool],
        hand_back: Callable[[Finished], None],
    ) -> None:
        self._services = services
        self._watch = watch
        self._is_ours = is_ours
        self._hand_back = hand_back

    def __repr__(self) -> str:
        return f"Execution({self._services.database})"

    def carry_out(self, pending: Pending, works: list[Work], handler: Handler) -> None:
        """Run `works`, which are of the delivery `pending`, and hand their results back. Raises nothing."""
        results: Sequence[Result]
        try:
            if pending.taken.delivery.redelivered and redelivery.is_given_up(self._services.database, works[0]):
                log.error("command_given_up", command=works[0].envelope.name, op=works[0].op.name)
                results = [poisoned(self._services.database, works[0].envelope, GIVEN_UP)]
            else:
                results = self._tried(pending, works, handler)
            self._settled(pending, works)
            self._watch.worked()
        except (StoreAway, Contention) as error:
            if not isinstance(error, CannotWrite):  # that the store itself says in the log, once
                log.warning("store_away", op=works[0].op.name, error=type(error).__name__)
            if isinstance(error, StoreAway):
                self._watch.failed()
            results = put_off(works)
        except BaseException as error:  # whatever it is, the commands need an outcome
            if len(works) > 1:  # of a list, only the command that fails alone has to suffer
                for work in works:
                    self.carry_out(pending, [work], handler)
                return
            results = self._failed(works, error)
        self._hand_back(Finished(pending, works, results))

    def _failed(self, works: list[Work], error: BaseException) -> list[Outcome]:
        """A handler raised by a fault of ours. A client may ask again; an emitted command would be sent for ever."""
        trace = works[0].envelope.trace or works[0].envelope.name
        log.error("command_failed", command=works[0].envelope.name, op=works[0].op.name, trace=trace, exc_info=error)
        database = self._services.database
        return [
            poisoned(database, work.envelope, FAILED) if work.envelope.emitted else Outcome(internal(trace))
            for work in works
        ]

    def nobodys(self, work: Work) -> Outcome:
        """No handler of this worker takes the op."""
        is_emitted = bool(work.envelope.emitted)
        return poisoned(self._services.database, work.envelope, NO_HANDLER) if is_emitted else Outcome(unknown_op())

    def _tried(self, pending: Pending, works: list[Work], handler: Handler) -> list[Outcome]:
        """Run the handler, three times at most: a deadlock or a lock wait has undone its whole transaction, after a
        Duplicate it finds the same write that another worker has committed meanwhile, after a COMMIT without an answer
        its own. Raises StoreError."""
        for _ in range(TRIES - 1):
            try:
                return self._run(pending, works, handler)
            except (Contention, Duplicate, CommitUnknown):
                continue
        return self._run(pending, works, handler)

    def _run(self, pending: Pending, works: list[Work], handler: Handler) -> list[Outcome]:
        try:
            if handler.steps is None:
                return handler.run(works, self._services)
            return [self._stepped(pending, works[0], handler.steps(works[0], self._services))]
        except CommitUnknown:
            for work in works:
                work.is_written = True
            raise

    def _stepped(self, pending: Pending, work: Work, steps: Generator[Effect, None, Outcome]) -> Outcome:
        """Send each effect as it comes. Where some were sent, a failure is no reason to begin anew: they would be sent
        twice. After the connection to the broker is lost another worker has the command."""
        is_begun = False
        while self._is_ours(pending):
            try:
                effect = next(steps)
            except StopIteration as end:
                outcome: Outcome = end.value
                return outcome
            except (Contention, Duplicate, CommitUnknown):
                if is_begun:
                    return Outcome(timeout())
                raise
            is_begun = True
            self._hand_back(Finished(pending, [work], [Outcome(None, [effect])], is_last=False))
        steps.close()
        return Outcome(timeout())

    def _settled(self, pending: Pending, works: list[Work]) -> None:
        """The commands were carried out or refused: forget that they came back, take emitted ones off the outbox. Where
        the store is full that waits: an emitted one comes again, and is found to be done."""
        emitted = [work.pair for work in works if work.envelope.emitted]
        with suppress(CannotWrite):
            if pending.taken.delivery.redelivered:
                redelivery.forget(self._services.database, works)
            if emitted:
                with self._services.database.transaction() as tx:
                    outbox.remove(tx, emitted)
