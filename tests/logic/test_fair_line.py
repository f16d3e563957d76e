"""Whose turn it is in a lane, and who has to go where there is no room."""

from __future__ import annotations

import threading
from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from logic.workers.pool.fair_line import FairLine
from logic.workers.pool.lanes import Lane, LaneSize

SHARES = st.tuples(st.sampled_from("abc"), st.sampled_from("123"))


def line_of(*shares: tuple[str, str]) -> FairLine[tuple[str, str, int]]:
    line: FairLine[tuple[str, str, int]] = FairLine()
    for number, share in enumerate(shares):
        line.put((*share, number), share)
    return line


def test_addresses_take_turns_and_so_do_the_accounts_of_one() -> None:
    flood, bob, cat = ("x", "f"), ("x", "b"), ("y", "c")
    line = line_of(flood, flood, flood, flood, bob, cat, bob)
    taken = [line.take()[:2] for _ in range(len(line))]
    assert taken == [flood, cat, bob, flood, bob, flood, flood]


@given(st.lists(SHARES))
def test_everything_is_taken_once_and_each_account_in_its_order(shares: list[tuple[str, str]]) -> None:
    line = line_of(*shares)
    taken = [line.take() for _ in range(len(shares))]
    assert len(line) == 0
    for share in set(shares):
        assert [t[2] for t in taken if t[:2] == share] == [n for n, other in enumerate(shares) if other == share]


@given(st.lists(SHARES, min_size=1))
def test_whoever_waits_waits_for_at_most_one_of_each_other_address(shares: list[tuple[str, str]]) -> None:
    line = line_of(*shares)
    taken = [line.take()[0] for _ in range(len(shares))]
    for address, count in Counter(taken).items():
        last = len(taken) - 1 - taken[::-1].index(address)
        assert max(Counter(taken[:last]).values(), default=0) <= count


@given(st.lists(SHARES, min_size=1))
def test_only_who_has_most_waiting_is_displaced(shares: list[tuple[str, str]]) -> None:
    line = line_of(*shares)
    by_address, by_account = Counter(a for a, _ in shares), Counter(shares)
    address, account, number = line.displace(shares[-1])
    assert by_address[address] == max(by_address.values())
    assert by_account[address, account] == max(n for (a, _), n in by_account.items() if a == address)
    assert number == max(n for n, share in enumerate(shares) if share == (address, account))
    if by_address[shares[-1][0]] == by_address[address]:
        assert address == shares[-1][0]


def test_a_full_lane_refuses_the_last_of_the_flood_and_carries_out_what_came_later() -> None:
    begun, go_on = threading.Event(), threading.Event()
    done: list[str] = []
    refused: list[str] = []
    lane = Lane("test", LaneSize(threads=1, waiting=3))

    def submit(name: str, address: str) -> None:
        lane.submit(lambda: done.append(name), lambda: refused.append(name), (address, name))

    lane.submit(lambda: (begun.set(), go_on.wait(10))[0], share=("x", "first"))
    assert begun.wait(10)
    for number in range(5):
        submit(f"flood{number}", "x")
    submit("bob", "y")
    submit("cat", "z")
    submit("dan", "y")
    go_on.set()
    lane.close()
    assert len(refused) == 5 and {"bob", "cat"}.isdisjoint(refused)
    assert "dan" in refused  # bob waits at the same address, and nobody has more waiting than they
    assert done[0].startswith("flood") and done[1:] == ["bob", "cat"]
