"""Work done while the store works: each piece once, in order, and no failure in the middle of an exchange."""

from __future__ import annotations

import pytest

from logic.workers.overlap import OverlappedWork


def test_each_wait_does_the_next_piece_and_the_end_does_the_rest() -> None:
    done: list[int] = []
    meanwhile = OverlappedWork()
    meanwhile.begin(lambda: done.append(1), lambda: done.append(2), lambda: done.append(3))
    meanwhile()
    assert done == [1]
    meanwhile.finish()
    assert done == [1, 2, 3]
    meanwhile()
    meanwhile.finish()
    assert done == [1, 2, 3]


@pytest.mark.parametrize("waits", [0, 1, 2])
def test_what_a_piece_raises_waits_for_the_end_and_stops_the_others(waits: int) -> None:
    done: list[int] = []
    meanwhile = OverlappedWork()
    meanwhile.begin(lambda: 1 // 0, lambda: done.append(2))
    for _ in range(waits):
        meanwhile()
    with pytest.raises(ZeroDivisionError):
        meanwhile.finish()
    meanwhile.finish()
    assert done == []
    meanwhile.begin(lambda: done.append(3))
    meanwhile.finish()
    assert done == [3]
