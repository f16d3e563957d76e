"""Fair shares: which worker should own which partition, by rendezvous hashing. Pure.

RabbitMQ gives safety (one active consumer), this only balance, so workers may for a moment disagree.
"""

from __future__ import annotations

import hashlib


def owner(partition: int, workers: list[str]) -> str:
    """The worker with the highest hash for this partition; `workers` is not empty."""
    return max(workers, key=lambda worker: hashlib.blake2b(f"{worker}\0{partition}".encode(), digest_size=8).digest())


def share(worker: str, workers: list[str], partitions: int) -> set[int]:
    """The partitions that `worker` should own among `workers`."""
    return {p for p in range(partitions) if owner(p, workers) == worker}
