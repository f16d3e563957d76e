"""How long a private message takes to its reader at a third of the full rate, from the moment at which it was due."""

from __future__ import annotations

from statistics import median

from bench.figures.figure import Figure
from bench.loads.steady import SteadyJob
from bench.run import Run

TITLE = "p99 from due to delivered, open loop, at a third of the road's rate"
SHARE = 3
LATE_MS = 20.0


def measure(run: Run) -> Figure:
    """The p99 of the median run. A run in which the generator itself was late by 20 ms (p99) is marked."""
    rate = median(run.road_rates()) / SHARE
    found = []
    for _ in range(run.plan.rounds):
        found.append(run.measure("steady", SteadyJob(run.pairs_job(1, run.plan.window_s), rate)))
        run.cluster.await_closed()
    detail = {
        "messages_per_s": rate,
        "p50_ms": median(one["latency_ms"]["p50"] for one in found),
        "p99_ms_of_each_run": [one["latency_ms"]["p99"] for one in found],
        "generator_late_p99_ms": max(one["late_ms"]["p99"] for one in found),
        "generator_was_late": any(one["late_ms"]["p99"] > LATE_MS for one in found),
    }
    value = median(one["latency_ms"]["p99"] for one in found)
    return Figure("latency", TITLE, "ms", 40, 15, value, low_is_good=True, detail=detail)
