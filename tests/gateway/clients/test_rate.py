from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.clients.rate import MAX_RETRY_AFTER_S, Meter, Rate, Verdict

START = 1000.0


def _verdicts(rate: Rate, meter: Meter, frames: int, now: float) -> list[Verdict]:
    return [rate.take(meter, now) for _ in range(frames)]


def test_a_burst_is_admitted_and_what_is_beyond_it_is_refused() -> None:
    rate, meter = Rate(20, 40, 1000), Meter()
    verdicts = _verdicts(rate, meter, 100, START)
    assert verdicts == [Verdict.ADMIT] * 40 + [Verdict.REFUSE] * 60


def test_afterwards_as_many_are_admitted_as_the_rate_gives() -> None:
    rate, meter = Rate(20, 40, 100_000), Meter()
    _verdicts(rate, meter, 100, START)
    admitted = sum(rate.take(meter, START + step / 1000) is Verdict.ADMIT for step in range(1, 10_001))
    assert 199 <= admitted <= 200  # ten seconds


def test_who_keeps_to_the_rate_is_never_refused() -> None:
    rate, meter = Rate(20, 40, 1), Meter()
    assert all(rate.take(meter, START + number / 20) is Verdict.ADMIT for number in range(10_000))


def test_the_refused_are_told_to_come_back_one_behind_the_other() -> None:
    rate, meter = Rate(20, 40, 100_000), Meter()
    _verdicts(rate, meter, 40, START)
    told = []
    for _ in range(5000):
        assert rate.take(meter, START) is Verdict.REFUSE
        told.append(rate.retry_after_s(meter, START))
    assert told == sorted(told)
    assert told[0] == 1
    assert told[99] == 5  # a hundred at 20/s
    assert told[-1] == MAX_RETRY_AFTER_S


def test_ten_thousand_at_once_are_a_burst_but_ten_times_the_rate_for_a_minute_is_not() -> None:
    rate, meter = Rate(20, 40, 12_000), Meter()
    assert Verdict.CLOSE not in _verdicts(rate, meter, 10_000, START)
    meter = Meter()
    closed_after = next(n / 200 for n in range(100_000) if rate.take(meter, START + n / 200) is Verdict.CLOSE)
    assert 60 <= closed_after <= 80


@given(
    st.lists(st.floats(0, 3), max_size=200),
    st.floats(0.5, 1000),
    st.integers(1, 100),
)
def test_no_window_admits_more_than_a_burst_and_the_rate(pauses: list[float], per_s: float, burst: int) -> None:
    rate, meter, now = Rate(per_s, burst, 10**9), Meter(), START
    admitted: list[float] = []
    for pause in pauses:
        now += pause
        if rate.take(meter, now) is Verdict.ADMIT:
            admitted.append(now)
    for first in range(len(admitted)):
        for last in range(first, len(admitted)):
            assert last - first + 1 <= burst + (admitted[last] - admitted[first]) * per_s + 1e-3


@given(st.integers(1, 500), st.integers(1, 40), st.floats(0, 10))
def test_what_costs_more_than_a_burst_is_possible_once_and_paid_for(cost: int, burst: int, rest_s: float) -> None:
    rate, meter = Rate(20, burst, 10**9), Meter()
    assert rate.take(meter, START) is Verdict.ADMIT
    rate.charge(meter, cost - 1, START)
    later = START + rest_s
    is_paid = cost / 20 - rest_s <= (burst - 1) / 20
    assert (rate.take(meter, later) is Verdict.ADMIT) == is_paid
