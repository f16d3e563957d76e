"""What a logged-in connection that does nothing costs its gateway in memory."""

from __future__ import annotations

import time
from typing import Any

from bench import usage
from bench.figures.figure import Figure
from bench.load_process import LoadFailed, LoadProcess
from bench.loads.crowd import CrowdJob
from bench.run import Run

TITLE = "resident memory of an idle logged-in connection"
WARM_UP = 50
SETTLE_S = 2.0


def measure(run: Run) -> Figure:
    """A gateway started anew, so that no memory of earlier loads is there to be used again; a few connections before,
    so that what the first ones cost is not counted."""
    run.cluster.restart("g1")
    users = run.users(run.plan.idle + WARM_UP)
    run.measure("warm up", _job(run, [token for _, token in users[:WARM_UP]], stays=False))
    run.cluster.await_closed()
    gateway = run.cluster.pids()["g1"]
    before = usage.resident_bytes(gateway)
    with LoadProcess(_job(run, [token for _, token in users[WARM_UP:]], stays=True)) as load:
        load.await_mark("begin")
        load.await_mark("end")
        time.sleep(SETTLE_S)
        after = usage.resident_bytes(gateway)
        held = run.cluster.connections()
        busy = _idle_cores(gateway)
        load.go()
        result = load.result()
    run.cluster.await_closed()
    if held != run.plan.idle:
        raise LoadFailed(f"the gateway held {held} connections of {run.plan.idle}")
    kib = (after - before) / 1024 / run.plan.idle
    found: dict[str, Any] = {"connections": held, "kib_each": kib, "gateway_cores_while_idle": busy}
    run.record("idle", {**result, **found})
    detail = {**found, "logins_per_s": result["rate"], "gateway_mib": after / 2**20}
    return Figure("idle", TITLE, "KiB", 24, 16, kib, low_is_good=True, detail=detail)


def _job(run: Run, tokens: list[str], stays: bool) -> CrowdJob:
    return CrowdJob(run.cluster.url(), tokens, run.plan.logins_at_once, stays)


def _idle_cores(gateway: int) -> float:
    """What the gateway uses for all these connections while nothing happens."""
    begun = usage.look({"g1": gateway})
    time.sleep(SETTLE_S)
    return usage.shares(begun, usage.look({"g1": gateway}))["g1"]
