"""Rendezvous hashing with bounded load: everybody computes the same, shares are even, little moves without need."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from router.shares import owners, share

WORKERS = st.lists(st.from_regex(r"\Aw[0-9]{1,3}\Z"), min_size=1, max_size=9, unique=True)
PARTITIONS = st.integers(min_value=0, max_value=18)


@given(WORKERS, PARTITIONS, st.randoms(use_true_random=False))
def test_the_order_of_the_workers_does_not_matter(workers: list[str], partitions: int, rng: Random) -> None:
    shuffled = rng.sample(workers, len(workers))
    assert owners(workers, partitions) == owners(shuffled, partitions)


@given(WORKERS, PARTITIONS)
def test_every_partition_has_exactly_one_owner(workers: list[str], partitions: int) -> None:
    shares = [share(worker, workers, partitions) for worker in workers]
    assert Counter(p for one in shares for p in one) == Counter(range(partitions))


@given(WORKERS, PARTITIONS)
def test_shares_differ_by_one_at_most(workers: list[str], partitions: int) -> None:
    sizes = sorted(len(share(worker, workers, partitions)) for worker in workers)
    size, larger = divmod(partitions, len(workers))
    assert sizes == [size] * (len(workers) - larger) + [size + 1] * larger


@given(WORKERS, PARTITIONS)
def test_a_worker_that_comes_or_goes_moves_few_partitions_between_the_others(
    workers: list[str], partitions: int
) -> None:
    """At most N - 2 of the others' for each of its own: none with two workers, one for one with three."""
    before = owners([*workers, "newcomer"], partitions)
    after = owners(workers, partitions)
    its_own = sum(owner == "newcomer" for owner in before.values())
    others = sum(before[p] not in ("newcomer", after[p]) for p in range(partitions))
    assert others <= its_own * (len(workers) - 1)


@pytest.mark.parametrize(("count", "sizes"), [(1, [8]), (2, [4, 4]), (3, [2, 3, 3]), (5, [1, 1, 2, 2, 2])])
def test_the_eight_partitions_of_a_new_cluster(count: int, sizes: list[int]) -> None:
    workers = [f"w{number}" for number in range(1, count + 1)]
    assert sorted(len(share(worker, workers, 8)) for worker in workers) == sizes


def test_without_workers_nobody_owns_anything() -> None:
    assert owners([], 8) == {}
