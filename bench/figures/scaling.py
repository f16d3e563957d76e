"""Two gateways and two workers on the same cores as one of each: what the second ones cost."""

from __future__ import annotations

import time
from statistics import median

from bench.figures.figure import Figure
from bench.load_process import LoadFailed
from bench.run import Run

TITLE = "two gateways and two workers / one of each"
SHARED_S = 40.0


def measure(run: Run) -> Figure:
    """Interleaved with one of each in a full run; a quick one compares with what was measured before."""
    is_full = run.plan.rounds > 1
    ones, twos = [] if is_full else run.road_rates(), []
    for _ in range(run.plan.rounds):
        if is_full:
            run.cluster.resize(1, 1)
            ones.append(run.road("one"))
        run.cluster.resize(2, 2)
        twos.append(_shared(run))
    run.cluster.resize(1, 1)
    detail = {"one_per_s": median(ones), "two_per_s": median(twos)}
    return Figure("scaling", TITLE, "x", 0.9, 1.2, median(twos) / median(ones), detail=detail)


def _shared(run: Run) -> float:
    """The rate of two and two, once both workers do their share: partitions are handed over under load."""
    until = time.monotonic() + SHARED_S
    while time.monotonic() < until:
        rate = run.road("two", gateways=2)
        cores = run.raw[-1]["cores"]
        if min(cores["w1"], cores["w2"]) > max(cores["w1"], cores["w2"]) / 3:
            return rate
        run.raw[-1]["name"] = "two, partitions not shared yet"
    raise LoadFailed(f"w1 and w2 did not share the partitions within {SHARED_S:.0f} s")
