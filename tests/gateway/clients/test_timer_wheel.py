from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.clients.timer_wheel import TimerWheel

TICK_S = 0.25
START = 1000.1


def test_things_come_when_they_are_due_and_once() -> None:
    wheel: TimerWheel[str] = TimerWheel(TICK_S, 100, START)
    wheel.set("soon", START + 1)
    wheel.set("late", START + 10)
    assert wheel.turn(START + 0.9) == []
    assert wheel.turn(START + 1.3) == ["soon"]
    assert wheel.turn(START + 9.9) == []
    assert wheel.turn(START + 60) == ["late"]
    assert wheel.turn(START + 120) == []
    assert len(wheel) == 0


def test_a_deadline_may_be_moved_and_removed() -> None:
    wheel: TimerWheel[str] = TimerWheel(TICK_S, 100, START)
    wheel.set("a", START + 1)
    wheel.set("a", START + 5)
    wheel.set("b", START + 5)
    wheel.set("b", START + 1)
    wheel.set("c", START + 1)
    wheel.remove("c")
    wheel.remove("never there")
    assert wheel.turn(START + 2) == ["b"]
    assert wheel.turn(START + 6) == ["a"]


def test_what_is_due_already_comes_with_the_next_turn() -> None:
    wheel: TimerWheel[str] = TimerWheel(TICK_S, 10, START)
    wheel.set("a", START - 100)
    assert wheel.turn(START + TICK_S) == ["a"]


def test_what_lies_beyond_the_turn_comes_early_to_be_set_again() -> None:
    wheel: TimerWheel[str] = TimerWheel(TICK_S, 8, START)
    wheel.set("a", START + 1000)
    assert wheel.turn(START + 2.5) == ["a"]


def test_a_turn_that_comes_late_misses_nothing() -> None:
    wheel: TimerWheel[int] = TimerWheel(TICK_S, 8, START)
    for number in range(8):
        wheel.set(number, START + number * TICK_S)
    assert sorted(wheel.turn(START + 1000)) == list(range(8))
    wheel.set(8, START + 1001)
    assert wheel.turn(START + 1002) == [8]


@given(st.lists(st.tuples(st.integers(0, 20), st.floats(-1, 20), st.floats(0, 3)), max_size=100))
def test_each_comes_at_most_a_tick_late_and_never_early(steps: list[tuple[int, float, float]]) -> None:
    wheel: TimerWheel[int] = TimerWheel(TICK_S, 200, START)
    deadlines: dict[int, float] = {}
    now = START
    for thing, ahead, pause in steps:
        wheel.set(thing, now + ahead)
        deadlines[thing] = now + max(ahead, 0)
        now += pause
        due = wheel.turn(now)
        assert len(due) == len(set(due))
        for one in due:
            assert deadlines.pop(one) <= now + 1e-9
        assert all(deadline > now - 2 * TICK_S for deadline in deadlines.values())
        assert len(wheel) == len(deadlines)
