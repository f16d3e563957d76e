"""Deliveries that a pool worker has under way: what its threads hand back, and what is held.

Law: a write of which the store has not said whether it is committed has no outcome. It is held, and carried out again,
until a look at its cid tells.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from logic.outcome import Outcome
from logic.work import Work
from logic.workers.batch import HELD, Held, Result
from logic.workers.inbox import Taken
from protocol.errors import busy
from protocol.models import ReceiveInfo

HELD_S = 0.5  # between two tries


@dataclass(slots=True, eq=False)
class Pending:
    """A delivery under way, and how many of its commands have no outcome yet."""

    taken: Taken
    remaining: int


@dataclass(frozen=True, slots=True)
class Finished:
    """What a thread hands back: a result for each of `works`. Without `is_last` it holds effects alone, and the outcome
    is still to come."""

    pending: Pending
    works: list[Work]
    results: Sequence[Result]
    is_last: bool = True

    def decided(self) -> list[tuple[ReceiveInfo, Outcome]]:
        """The commands that are not held, and what became of them."""
        pairs = zip(self.works, self.results, strict=True)
        return [(work.envelope, result) for work, result in pairs if isinstance(result, Outcome)]

    def held(self) -> list[Work]:
        """The commands that are."""
        return [work for work, result in zip(self.works, self.results, strict=True) if isinstance(result, Held)]


def put_off(works: list[Work]) -> list[Result]:
    """The results of commands that cannot be served now: busy, but held where one may be committed."""
    return [HELD if work.op.writes and work.may_be_stored else Outcome(busy()) for work in works]


class HeldWorks:
    """What is held, with the deliveries that it is of. For one thread."""

    def __init__(self) -> None:
        self._works: list[tuple[Pending, Work]] = []
        self._tried_at = float("-inf")

    def __repr__(self) -> str:
        return f"HeldWorks({len(self._works)})"

    def hold(self, pending: Pending, works: Iterable[Work]) -> None:
        """Keep `works`, which are of the delivery `pending`."""
        self._works += [(pending, work) for work in works]

    def take_due(self) -> list[tuple[Pending, Work]]:
        """All of them, to be tried again, every 500 ms; none in between."""
        now = time.monotonic()
        if not self._works or now - self._tried_at < HELD_S:
            return []
        self._tried_at = now
        taken, self._works = self._works, []
        return taken

    def is_all_of(self, deliveries: Iterable[Pending]) -> bool:
        """Whether `deliveries` have no command without an outcome but those that are held."""
        held = Counter(pending for pending, _ in self._works)
        return all(pending.remaining == held[pending] for pending in deliveries)

    def clear(self) -> None:
        """Forget everything: it goes to other workers."""
        self._works.clear()
