"""What to do with a batch whose transaction failed: one pure function of what went wrong so far.

Laws: a duplicate key or a contention is tried again with the cids looked up, then conversation by conversation, so that
only the disputed one waits. A lost connection is tried once more: the cids tell what was committed. What may have been
committed stays unknown until its cids were looked up, whatever else goes wrong. Anything else is halved until one
command fails alone. When its time is over, a batch is given up.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from logic.work import Work
from store.errors import CommitUnknown, Contention, Duplicate, StoreAway

TRIES = 3  # besides the first
LOST_TRIES = 1


class Step(Enum):
    """What to do with all commands of the batch."""

    AGAIN = "again"  # the same batch, with the cids looked up
    BUSY = "busy"  # nothing is committed: their senders try again
    AWAY = "away"  # the store does not answer: busy, but for what is redelivered
    HOLD = "hold"  # some may be committed: find out when the store is back
    POISON = "poison"  # a command that fails alone


class Split(NamedTuple):
    """Run these parts one after the other: the places of their commands in the batch."""

    parts: list[list[int]]


def next_step(failures: Sequence[Exception], works: Sequence[Work], *, is_late: bool) -> Step | Split:
    """What to do after `failures`, the last of which has just happened."""
    last = failures[-1]
    if isinstance(last, (Duplicate, Contention)):
        return _after_contention(failures, works, is_late=is_late)
    if isinstance(last, StoreAway):
        if _count(failures, StoreAway) <= LOST_TRIES:
            return Step.AGAIN
        return Step.HOLD if is_unknown(failures) else Step.AWAY
    if len(works) > 1:
        middle = len(works) // 2
        return Split([list(range(middle)), list(range(middle, len(works)))])
    return Step.POISON


def is_unknown(failures: Sequence[Exception]) -> bool:
    """Whether something of the batch may have been committed."""
    return any(isinstance(failure, CommitUnknown) for failure in failures)


def _after_contention(failures: Sequence[Exception], works: Sequence[Work], *, is_late: bool) -> Step | Split:
    if _count(failures, Duplicate, Contention) <= TRIES and not is_late:
        return Step.AGAIN
    parts: dict[str, list[int]] = {}
    for place, work in enumerate(works):
        parts.setdefault(work.key, []).append(place)
    if len(parts) > 1 and not is_late:
        return Split(list(parts.values()))
    return Step.HOLD if is_unknown(failures) else Step.BUSY


def _count(failures: Sequence[Exception], *kinds: type[Exception]) -> int:
    return sum(isinstance(failure, kinds) for failure in failures)
