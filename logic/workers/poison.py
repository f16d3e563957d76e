"""A command that nobody can carry out: answered `internal`, and put into the queue `dead` with its reason.

Law: an emitted one is off the outbox then; it would be sent again for ever.
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

from bus.interface import WorkerBus
from logic.outcome import Outcome
from protocol import codec
from protocol.errors import internal
from protocol.models import ReceiveInfo
from protocol.ops import OPS
from store.database import Database
from store.errors import StoreError
from store.tables import outbox

FAILED = "it failed alone"
UNREADABLE = "its arguments cannot be read"
NO_HANDLER = "no worker of this kind carries it out"
GIVEN_UP = "it was delivered three times and never finished"


Refused = tuple[ReceiveInfo, Outcome]
"""A command that is no work, and why."""


@dataclass(slots=True)
class Poisoned(Outcome):
    """The outcome of such a command; `reason` is a sentence for people who look into the queue `dead`."""

    reason: str = ""


def poisoned(database: Database, envelope: ReceiveInfo, reason: str) -> Poisoned:
    """Give a command up. Where it cannot be taken off the outbox now, it is sent again, and given up again."""
    if envelope.emitted:
        with suppress(StoreError), database.transaction() as tx:
            outbox.remove(tx, [(envelope.sender.user, envelope.emitted)])
    return Poisoned(internal(envelope.trace or envelope.name), reason=reason)


def without_unreadable(database: Database, refused: list[Refused]) -> list[Refused]:
    """`refused`, with the emitted commands among them given up whose arguments cannot be read. One of an op that this
    process does not know is left to a process of a newer version that does."""
    return [
        (envelope, poisoned(database, envelope, UNREADABLE) if envelope.emitted and envelope.op in OPS else outcome)
        for envelope, outcome in refused
    ]


def bury(bus: WorkerBus, decided: Iterable[tuple[ReceiveInfo, Outcome]]) -> None:
    """Put the poisoned commands among `decided` into the queue `dead`. Raises BusLost."""
    for envelope, outcome in decided:
        if isinstance(outcome, Poisoned):
            bus.dead_letter(codec.write_struct(envelope), outcome.reason)
