"""Private messages acknowledged and delivered, beside bare Tornado's echo: interleaved, medians, their ratio."""

from __future__ import annotations

from statistics import median
from typing import Any

from bench.figures.figure import Figure
from bench.measurements import Measurements
from bench.run import Run

TITLE = "private messages acked and delivered / echo of bare Tornado"


def measure(run: Run) -> Figure:
    """`cpu_ratio`: the same by CPU time of the two servers, which other programs on the machine disturb less.

    One gateway, one ordered worker, one parallel; 1,000 in flight over 100 connections."""
    echoes, roads = [], []
    for _ in range(run.plan.road_rounds):
        echoes.append(run.echo())
        roads.append(run.road())
    ratios = [road / echo for road, echo in zip(roads, echoes, strict=True)]
    cpu = [raw["cpu_us"] for raw in run.raw if raw["name"] in ("echo", "road")]
    tornado, gateway, worker = (
        round(median(one[who] for one in cpu if who in one), 1) for who in ("tornado", "g1", "w1")
    )
    latency = [raw["latency_ms"] for raw in run.raw if raw["name"] == "road"]
    detail = {
        "road_per_s": median(roads),
        "echo_per_s": median(echoes),
        "round_ratios": [round(ratio, 3) for ratio in ratios],
        "cpu_us_per_message": {"g1": gateway, "w1": worker, "tornado (an echo)": tornado},
        "cpu_ratio": tornado / gateway,
        "p50_ms": median(one["p50"] for one in latency),
        "p99_ms": median(one["p99"] for one in latency),
    }
    return Figure("road", TITLE, "x", 1.0, 1.8, median(roads) / median(echoes), detail=detail)


def once(run: Measurements) -> dict[str, Any]:
    """Private messages, once."""
    run.road()
    return run.raw[-1]
