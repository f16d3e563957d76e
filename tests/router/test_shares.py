"""Rendezvous hashing: everybody computes the same, nothing moves without need."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from router.shares import owner, share

WORKERS = st.lists(st.from_regex(r"\Aw[0-9]{1,3}\Z"), min_size=1, max_size=12, unique=True)


@given(WORKERS)
def test_the_order_in_which_workers_are_listed_does_not_matter(workers: list[str]) -> None:
    shuffled = sorted(workers, key=lambda worker: worker[::-1])
    assert [owner(p, workers) for p in range(16)] == [owner(p, shuffled) for p in range(16)]


@given(WORKERS)
def test_every_partition_has_exactly_one_owner(workers: list[str]) -> None:
    shares = [share(worker, workers, 16) for worker in workers]
    assert Counter(p for one in shares for p in one) == Counter(range(16))


@given(WORKERS)
def test_a_worker_that_leaves_moves_only_its_own_partitions(workers: list[str]) -> None:
    before = {p: owner(p, [*workers, "newcomer"]) for p in range(32)}
    for partition, worker in before.items():
        if worker != "newcomer":
            assert owner(partition, workers) == worker


def test_shares_are_about_even() -> None:
    workers = [f"w{number}" for number in range(1, 5)]
    sizes = [len(share(worker, workers, 1000)) for worker in workers]
    assert min(sizes) > 200
    assert max(sizes) < 300
