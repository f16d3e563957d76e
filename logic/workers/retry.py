"""What to do with a batch whose transaction failed: one pure function of everything that went wrong so far.

Laws:
- After a duplicate key or a contention the batch is tried again, with its cids looked up; then conversation by
  conversation, so that only the contended one waits.
- After a lost connection it is tried once more: the cids tell what was committed.
- After any other error it is halved, until one command fails alone.
- When its time is over it is given up.
"""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

from logic.work import Work
from store.errors import Contention, Duplicate, StoreAway

TRIES = 3  # besides the first
LOST_TRIES = 1


class Step(Enum):
    """What to do with all commands of the batch. Of those that are given up (BUSY, AWAY) one that may be stored
    (Work.may_be_stored) is held: only a look at its cid tells."""

    AGAIN = "again"  # the same batch, with the cids looked up
    BUSY = "busy"  # others are at it: their senders try again
    AWAY = "away"  # the store does not answer
    POISON = "poison"  # it is one command, and it fails alone


class Split(NamedTuple):
    """Run the batch in parts, one after the other. A part lists the places of its commands in the batch, from 0."""

    parts: list[list[int]]


def next_step(failures: Sequence[Exception], works: Sequence[Work], *, is_late: bool) -> Step | Split:
    """What to do with the batch `works` after `failures`, the last of which has just happened. `is_late`: its time is
    over. Pure; raises nothing."""
    last = failures[-1]
    if isinstance(last, (Duplicate, Contention)):
        return _after_contention(failures, works, is_late=is_late)
    if isinstance(last, StoreAway):
        return Step.AGAIN if _count(failures, StoreAway) <= LOST_TRIES else Step.AWAY
    if len(works) > 1:
        middle = len(works) // 2
        return Split([list(range(middle)), list(range(middle, len(works)))])
    return Step.POISON


def _after_contention(failures: Sequence[Exception], works: Sequence[Work], *, is_late: bool) -> Step | Split:
    if _count(failures, Duplicate, Contention) <= TRIES and not is_late:
        return Step.AGAIN
    parts: dict[str, list[int]] = {}
    for place, work in enumerate(works):
        parts.setdefault(work.key, []).append(place)
    if len(parts) > 1 and not is_late:
        return Split(list(parts.values()))
    return Step.BUSY


def _count(failures: Sequence[Exception], *kinds: type[Exception]) -> int:
    return sum(isinstance(failure, kinds) for failure in failures)
