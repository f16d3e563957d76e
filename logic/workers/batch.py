"""One batch of commands, one transaction; and what happens when that fails (docs/architecture.md).

Laws: an error rolls back at once and forgets the caches of every conversation in the batch. A duplicate key or a
contention is tried again with the cids looked up, then conversation by conversation. A lost connection is tried once
more: the cids tell what was committed. Anything else is halved until one command fails alone.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator

import structlog

from logic.caches import Caches
from logic.clock import now_ms
from logic.handlers.groups import change_group
from logic.handlers.sends import send_all
from logic.outcome import Outcome
from logic.work import Work
from protocol.errors import busy, internal
from store.database import Database
from store.errors import CommitUnknown, Contention, Duplicate, StoreAway
from store.messages import MessageRow

TRIES = 3
DEADLINE_S = 8.0

log = structlog.get_logger()


class Held:
    """No outcome yet: whether it was committed is unknown while the store is away. Run it again when it is back."""


class Poisoned(Outcome):
    """The command failed alone by a fault of ours: answered, and to be dead-lettered."""


HELD = Held()
Result = Outcome | Held


def runs(works: list[Work]) -> Iterator[list[Work]]:
    """Consecutive sends are one run; any other op is a run of one."""
    for is_send, group in itertools.groupby(works, key=lambda work: work.op.name == "message.send"):
        if is_send:
            yield list(group)
        else:
            for work in group:
                yield [work]


class BatchRunner:
    """Runs batches over one store connection. `is_store_away` once a batch failed for that; whoever probes the store
    sets it back. `keep_alive` keeps the broker's heartbeat alive between tries, and raises
    BusLost when the batch is no longer ours; `while_waiting`: see Database.transaction."""

    def __init__(
        self,
        database: Database,
        caches: Caches,
        keep_alive: Callable[[], None],
        while_waiting: Callable[[], None] | None = None,
    ) -> None:
        self._database = database
        self._caches = caches
        self._keep_alive = keep_alive
        self._while_waiting = while_waiting
        self._connection_serial = -1
        self.is_store_away = False

    def __repr__(self) -> str:
        return f"BatchRunner(connection {self._connection_serial}, {self._caches})"

    def run(self, works: list[Work], *, look_up: bool = False) -> list[Result]:
        """The result of each, in order. Never raises but BusLost."""
        deadline = time.monotonic() + DEADLINE_S
        try:
            return list(self._transaction(works, look_up=look_up))
        except (Duplicate, Contention):
            return self._again(works, deadline)
        except StoreAway as lost:
            return self._after_loss(works, lost)
        except Exception as error:
            return self._halved(works, error)

    def _transaction(self, works: list[Work], *, look_up: bool) -> list[Outcome]:
        outcomes: list[Outcome] = []
        written: list[MessageRow] = []
        try:
            with self._database.transaction(self._while_waiting) as tx:
                if tx.connection_serial != self._connection_serial:
                    # Another server, or the same with older data, may be behind a new connection.
                    self._caches.clear()
                    self._connection_serial = tx.connection_serial
                now = now_ms()
                for run in runs(works):
                    if run[0].op.name == "message.send":
                        answers, rows = send_all(tx, self._caches, run, now, look_up=look_up)
                        outcomes += answers
                        written += rows
                    else:
                        outcomes.append(change_group(tx, self._caches, run[0], now))
        except BaseException:
            self._caches.forget({work.key for work in works})
            raise
        for row in written:
            self._caches.of(row.conversation).cids[row.sender, row.cid] = row
        return outcomes

    def _again(self, works: list[Work], deadline: float) -> list[Result]:
        for _ in range(TRIES):
            self._keep_alive()
            try:
                return list(self._transaction(works, look_up=True))
            except (Duplicate, Contention):
                if time.monotonic() > deadline:
                    break
            except StoreAway as lost:
                return self._after_loss(works, lost)
            except Exception as error:
                return self._halved(works, error)
        keys = list(dict.fromkeys(work.key for work in works))
        if len(keys) == 1 or time.monotonic() > deadline:
            log.warning("batch_contended", conversations=len(keys), commands=len(works))
            return [Outcome(busy()) for _ in works]
        return self._by_conversation(works, keys, deadline)

    def _by_conversation(self, works: list[Work], keys: list[str], deadline: float) -> list[Result]:
        """One transaction a conversation, so that only the disputed one waits."""
        results: dict[int, Result] = {}
        for key in keys:
            part = [(place, work) for place, work in enumerate(works) if work.key == key]
            answers = self._again([work for _, work in part], deadline)
            results.update(zip((place for place, _ in part), answers, strict=True))
        return [results[place] for place in range(len(works))]

    def _after_loss(self, works: list[Work], lost: StoreAway) -> list[Result]:
        self._keep_alive()
        try:
            return list(self._transaction(works, look_up=True))
        except StoreAway as again:
            self.is_store_away = True
            is_unknown = isinstance(lost, CommitUnknown) or isinstance(again, CommitUnknown)
            log.warning("store_away", commands=len(works), commit_unknown=is_unknown)
            return [HELD if is_unknown or work.redelivered else Outcome(busy()) for work in works]
        except (Duplicate, Contention):
            return self._again(works, time.monotonic() + DEADLINE_S)
        except Exception as error:
            return self._halved(works, error)

    def _halved(self, works: list[Work], error: Exception) -> list[Result]:
        if len(works) > 1:
            middle = len(works) // 2
            return self.run(works[:middle], look_up=True) + self.run(works[middle:], look_up=True)
        command = works[0].command
        log.error("command_failed", command=command.name, op=command.op, trace=command.trace, exc_info=error)
        return [Poisoned(internal(command.trace or command.name))]
