"""The acks sent are right in whatever order deliveries are settled: played against the rules of the broker."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bus.acks import AckFloor


def play(unacked: set[int], acks: list[tuple[int, bool]]) -> None:
    """What a broker does with acks; an unknown tag would close the channel."""
    for tag, multiple in acks:
        assert tag in unacked
        unacked -= {other for other in unacked if other <= tag} if multiple else {tag}


@given(st.permutations(range(1, 31)), st.lists(st.integers(1, 6), min_size=30, max_size=30))
def test_exactly_the_settled_are_acked(order: list[int], sizes: list[int]) -> None:
    floor, unacked, settled = AckFloor(), set(range(1, 31)), set[int]()
    while order:
        size = sizes.pop()
        batch, order = order[:size], order[size:]
        play(unacked, floor.settle(batch))
        settled.update(batch)
        assert unacked == set(range(1, 31)) - settled


def test_a_run_is_one_ack() -> None:
    assert AckFloor().settle(range(1, 301)) == [(300, True)]


def test_settled_twice_is_acked_once() -> None:
    floor = AckFloor()
    assert floor.settle([2, 2]) == [(2, False)]
    assert floor.settle([2]) == []
    assert floor.settle([1]) == [(1, False)]
    assert floor.settle([1, 2]) == []
