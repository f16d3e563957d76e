"""What is done with a batch that failed, as a table: no store, no worker."""

from __future__ import annotations

import itertools

import pytest

from logic.work import Work
from logic.workers.retry import TRIES, Split, Step, next_step
from store.errors import BadValue, CommitUnknown, Contention, Duplicate, StoreAway
from tests.logic.road import private, send

AB, AC = private("ann", "bob"), private("ann", "cat")
LOCK, TAKEN, AWAY, UNKNOWN, FAULT = (
    Contention("x"),
    Duplicate("messages.cid"),
    StoreAway("x"),
    CommitUnknown("x"),
    BadValue(),
)


def _works(*keys: str) -> list[Work]:
    return [send("ann", key) for key in keys]


@pytest.mark.parametrize(
    ("failures", "keys", "is_late", "step"),
    [
        ([LOCK], [AB, AC], False, Step.AGAIN),
        ([LOCK, TAKEN, LOCK][:TRIES], [AB, AC], False, Step.AGAIN),
        ([LOCK] * (TRIES + 1), [AB, AC, AB], False, Split([[0, 2], [1]])),
        ([LOCK] * (TRIES + 1), [AB, AB], False, Step.BUSY),
        ([LOCK], [AB, AC], True, Step.BUSY),
        ([AWAY], [AB], False, Step.AGAIN),
        ([AWAY, AWAY], [AB], False, Step.AWAY),
        ([AWAY, UNKNOWN], [AB], False, Step.AWAY),
        ([UNKNOWN], [AB], False, Step.AGAIN),
        ([UNKNOWN, AWAY], [AB], False, Step.AWAY),
        ([UNKNOWN, *[LOCK] * (TRIES + 1)], [AB], False, Step.BUSY),
        ([UNKNOWN, LOCK], [AB, AC], True, Step.BUSY),
        ([FAULT], [AB, AB, AC], False, Split([[0], [1, 2]])),
        ([LOCK, FAULT], [AB], False, Step.POISON),
        ([ZeroDivisionError()], [AB], False, Step.POISON),
    ],
)
def test_what_is_done_next(failures: list[Exception], keys: list[str], is_late: bool, step: Step | Split) -> None:
    assert next_step(failures, _works(*keys), is_late=is_late) == step


@pytest.mark.parametrize("keys", [[AB], [AB, AC], [AB, AB, AC]])
def test_whatever_goes_wrong_it_ends(keys: list[str]) -> None:
    """No series of failures leads to trying again without end."""
    longest = TRIES + 4
    for failures in itertools.product([LOCK, AWAY, UNKNOWN], repeat=longest):
        steps = [next_step(failures[: n + 1], _works(*keys), is_late=False) for n in range(longest)]
        assert any(step is not Step.AGAIN for step in steps)
