"""The bench's own oracle: it must see every way in which a run can break the promise."""

from __future__ import annotations

import pytest

from bench.check import direction_violations, seq_violations

ACKED = {1: 1, 2: 3, 3: 4}
PUSHED = [(1, 1), (2, 3), (3, 4)]


def test_a_perfect_direction_has_no_violation() -> None:
    assert direction_violations(ACKED, PUSHED) == []


def test_what_was_delivered_but_not_yet_acknowledged_is_no_violation() -> None:
    assert direction_violations(ACKED, [*PUSHED, (4, 5)]) == []


@pytest.mark.parametrize(
    ("pushed", "word"),
    [
        (PUSHED[:2], "not delivered"),
        ([*PUSHED, (3, 4)], "more than once"),
        ([(2, 3), (1, 1), (3, 4)], "out of order"),
        ([(1, 1), (2, 2), (3, 4)], "different seqs"),
    ],
)
def test_a_broken_direction_is_named(pushed: list[tuple[int, int]], word: str) -> None:
    assert any(word in violation for violation in direction_violations(ACKED, pushed))


def test_seqs_may_begin_anywhere_and_come_in_any_order() -> None:
    assert seq_violations([9, 7, 8]) == []


@pytest.mark.parametrize("seqs", [[1, 3], [1, 1, 2]])
def test_a_hole_or_a_repetition_is_a_violation(seqs: list[int]) -> None:
    assert seq_violations(seqs)
