"""Private messages through nginx, beside the same straight to the gateway: interleaved, medians, their ratio."""

from __future__ import annotations

from statistics import median

from bench.figures.figure import Figure
from bench.run import Run

TITLE = "private messages through nginx / without it"
DIRECT, THROUGH = "direct", "door"


def measure(run: Run) -> Figure:
    """Both have one gateway, one ordered worker and one parallel, and share the cores with clients and servers."""
    direct, through = [], []
    for number in range(run.plan.road_rounds):
        # Who comes first in a round takes turns: a machine that slows down favours neither.
        for name in (DIRECT, THROUGH) if number % 2 == 0 else (THROUGH, DIRECT):
            if name == DIRECT:
                direct.append(run.road(DIRECT))
            else:
                through.append(run.through_door(THROUGH))
    ratios = [one / other for one, other in zip(through, direct, strict=True)]
    found = {name: [raw for raw in run.raw if raw["name"] == name] for name in (DIRECT, THROUGH)}
    detail = {
        "door_per_s": median(through),
        "direct_per_s": median(direct),
        "round_ratios": [round(ratio, 3) for ratio in ratios],
        "p99_ms": {name: median(one["latency_ms"]["p99"] for one in raws) for name, raws in found.items()},
        "cpu_us_per_message": {
            who: round(median(one["cpu_us"][who] for one in found[THROUGH]), 1) for who in ("nginx", "g1", "w1")
        },
        "generator_cores": max(one["generator_cores"] for one in found[THROUGH]),
    }
    return Figure("door", TITLE, "x", 0.8, 0.9, median(through) / median(direct), detail=detail)
