"""Percentiles of latencies. Pure."""

from __future__ import annotations

from collections.abc import Sequence


def percentiles_ms(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99, p99.9 and max in ms, by the nearest rank; all 0 where there is nothing."""
    ordered = sorted(seconds) or [0.0]
    last = len(ordered) - 1
    ranks = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "p99.9": 0.999, "max": 1.0}
    return {name: round(ordered[round(last * rank)] * 1000, 2) for name, rank in ranks.items()}
