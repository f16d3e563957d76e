"""Fair shares: which worker should own which partition, by rendezvous hashing with bounded load. Pure.

Laws: every partition has one owner; every worker owns P // N partitions, P % N of them one more; the order in which
workers are named does not matter. RabbitMQ gives safety (one active consumer), this only balance, so workers may for a
moment disagree. What moves when a worker comes or goes: docs/decisions/0006-shares.md.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable


def owners(workers: Iterable[str], partitions: int) -> dict[int, str]:
    """The owner of each partition among `workers`, none where there are none.

    The pairs of a partition and a worker are gone through from the highest hash down; each is taken where the partition
    still has no owner and the worker still has room. Room is only ever used up and is enough for all, so none is left.
    """
    names = set(workers)
    if not names:
        return {}
    size, larger = divmod(partitions, len(names))
    found: dict[int, str] = {}
    load: Counter[str] = Counter()
    for _, partition, worker in sorted(((_hash(w, p), p, w) for w in names for p in range(partitions)), reverse=True):
        if partition in found or load[worker] >= size + (larger > 0):
            continue
        found[partition] = worker
        load[worker] += 1
        larger -= load[worker] > size
    return found


def share(worker: str, workers: Iterable[str], partitions: int) -> set[int]:
    """The partitions that `worker` should own among `workers`."""
    return {partition for partition, owner in owners(workers, partitions).items() if owner == worker}


def _hash(worker: str, partition: int) -> bytes:
    return hashlib.blake2b(f"{worker}\0{partition}".encode(), digest_size=8).digest()
