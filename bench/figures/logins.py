"""How many users a second log in by token over WebSocket through one gateway."""

from __future__ import annotations

from statistics import median
from typing import Any

from bench.figures.figure import Figure
from bench.loads.crowd import CrowdJob
from bench.measurements import Measurements
from bench.run import Run

TITLE = "WebSocket logins by token through one gateway"


def measure(run: Run) -> Figure:
    """From the TCP connection to the login's reply, so many at a time."""
    found = [once(run) for _ in range(run.plan.rounds)]
    detail = {
        "logins": run.plan.logins,
        "at_once": run.plan.logins_at_once,
        "each_run_per_s": [round(one["rate"]) for one in found],
        "p99_ms": median(one["latency_ms"]["p99"] for one in found),
        "cpu_us_each": found[-1]["cpu_us"],
    }
    return Figure("logins", TITLE, "/s", 400, 1000, median(one["rate"] for one in found), detail=detail)


def once(run: Measurements) -> dict[str, Any]:
    """So many logins, once."""
    tokens = [token for _, token in run.users(run.plan.logins)]
    found = run.measure("logins", CrowdJob(run.cluster.url(), tokens, run.plan.logins_at_once))
    run.cluster.await_closed()
    return found
