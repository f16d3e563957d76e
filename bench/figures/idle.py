"""What a logged-in connection that does nothing costs: its gateway's memory, and everybody's CPU."""

from __future__ import annotations

import time
from typing import Any

from bench import usage
from bench.figures.figure import Figure
from bench.load_process import LoadFailed, LoadProcess
from bench.loads.crowd import CrowdJob
from bench.measurements import Measurements, each_us
from bench.run import Run

TITLE = "resident memory of an idle logged-in connection"
WARM_UP = 50
SETTLE_S = 2.0


def measure(run: Run) -> Figure:
    """See `once`."""
    found = once(run)
    names = ("connections", "kib_each", "gateway_mib", "logins_per_s")
    detail = {name: found[name] for name in names} | {"gateway_cores_while_idle": found["cores"]["g1"]}
    return Figure("idle", TITLE, "KiB", 24, 16, found["kib_each"], low_is_good=True, detail=detail)


def once(run: Measurements) -> dict[str, Any]:
    """A gateway started anew, so that no memory of earlier loads is there to be used again; a few connections before,
    so that what the first ones cost is not counted. `cpu_us` is of one connection for one second. Raises LoadFailed."""
    run.cluster.restart("g1")
    users = run.users(run.plan.idle + WARM_UP)
    run.measure("warm up", _job(run, [token for _, token in users[:WARM_UP]], stays=False))
    run.cluster.await_closed()
    pids = run.cluster.pids()
    before = usage.resident_bytes(pids["g1"])
    with LoadProcess(_job(run, [token for _, token in users[WARM_UP:]], stays=True)) as load:
        load.await_mark("begin")
        load.await_mark("end")
        time.sleep(SETTLE_S)
        after = usage.resident_bytes(pids["g1"])
        held = run.cluster.connections()
        used = _while_idle(pids, held, run.plan.idle_s)
        load.go()
        result = load.result()
    run.cluster.await_closed()
    if held != run.plan.idle:
        raise LoadFailed(f"the gateway held {held} connections of {run.plan.idle}")
    found = {"connections": held, "kib_each": (after - before) / 1024 / held, "gateway_mib": after / 2**20}
    logins = {"logins_per_s": result.pop("rate"), "login_ms": result.pop("latency_ms")}
    return run.record("idle", {**result, **found, **logins, **used})


def _job(run: Measurements, tokens: list[str], stays: bool) -> CrowdJob:
    return CrowdJob(run.cluster.url(), tokens, run.plan.logins_at_once, stays)


def _while_idle(pids: dict[str, int], connections: int, seconds: float) -> dict[str, Any]:
    """What all processes use for these connections while nothing happens."""
    begun = usage.look(pids)
    time.sleep(seconds)
    ended = usage.look(pids)
    each = each_us(begun, ended, max(connections, 1) * (ended.at - begun.at))
    return {"cores": usage.shares(begun, ended), "cpu_us": each}
