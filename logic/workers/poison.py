"""A command that nobody can carry out: answered `internal`, and put into the queue `dead` with its reason.

Law: an emitted one is off the outbox then; it would be sent again for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from bus.interface import WorkerBus
from logic.outcome import Outcome
from logic.work import Work
from protocol import codec
from protocol.errors import internal
from protocol.models import ReceiveInfo
from store import outbox
from store.database import Database
from store.errors import StoreError

FAILED = "it failed alone"
GIVEN_UP = "it was delivered three times and never finished"


@dataclass(slots=True)
class Poisoned(Outcome):
    """The outcome of such a command; `reason` is a sentence for people who look into the queue `dead`."""

    reason: str = ""


def poisoned(database: Database, work: Work, reason: str) -> Poisoned:
    """Give `work` up. Where it cannot be taken off the outbox now, it is sent again, and given up again."""
    if work.envelope.emitted:
        with suppress(StoreError), database.transaction() as tx:
            outbox.remove(tx, [work.pair])
    return Poisoned(internal(work.envelope.trace or work.envelope.name), reason=reason)


def bury(bus: WorkerBus, decided: Iterable[tuple[ReceiveInfo, Outcome]]) -> None:
    """Put the poisoned commands among `decided` into the queue `dead`. Raises BusLost."""
    for envelope, outcome in decided:
        if isinstance(outcome, Poisoned):
            bus.dead_letter(codec.write_struct(envelope), outcome.reason)
