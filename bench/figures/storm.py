"""A gateway is killed, and all who were on it come to the other one at once; when it is back, that one is killed."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from bench import usage
from bench.figures.figure import Figure
from bench.load_process import LoadProcess
from bench.loads.storm import StormJob
from bench.measurements import new_tag
from bench.run import Run

TITLE = "tries that failed in the second wave of a reconnect storm"
KILLED = ("g1", "g2")


def measure(run: Run) -> Figure:
    """The first wave comes to a gateway that has hardly seen a client, the second to one that has just started."""
    run.cluster.resize(2, 1)
    try:
        waves = storm(run, lambda killed: None)
    finally:
        run.cluster.resize(1, 1)
    failures = sum(waves[1]["failures"].values())
    detail = {f"{killed} killed": wave for killed, wave in zip(KILLED, waves, strict=True)}
    return Figure("storm", TITLE, "tries", 0, 0, failures, low_is_good=True, detail=detail)


def storm(run: Run, begun: Callable[[str], None]) -> list[dict[str, Any]]:
    """Both waves; `begun` is told which gateway was killed just now. Needs two gateways. Raises PromiseBroken."""
    with LoadProcess(_job(run)) as load:
        load.await_mark("begin")
        cores = []
        for killed in KILLED:
            load.await_mark("ready")
            pids = {name: pid for name, pid in run.cluster.pids().items() if name != killed} | {"generator": load.pid}
            before = usage.look(pids)
            load.go()
            run.cluster.kill(killed)
            begun(killed)
            load.await_mark("caught up")
            cores.append(usage.shares(before, usage.look(pids)))
            run.cluster.restart(killed)
            load.go()
        load.await_mark("end")
        result = load.result()
    common = {"messages": result["messages"], "violations": result["violations"]}
    found = zip(result["waves"], cores, strict=True)
    return [run.record("storm", {**wave, "cores": used, **common}) for wave, used in found]


def _job(run: Run) -> StormJob:
    plan = run.plan
    groups = run.groups(plan.storm_groups, plan.storm // plan.storm_groups + 1)
    urls = [run.cluster.url(1), run.cluster.url(2)]
    return StormJob(urls, groups, new_tag(), plan.storm_messages_per_s, plan.storm_jitter_s, plan.warm_up_s)
