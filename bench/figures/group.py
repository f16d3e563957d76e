"""Deliveries in a large group on one gateway, beside a loop of Tornado's `write_message` to as many: interleaved."""

from __future__ import annotations

from statistics import median
from typing import Any

from bench.echo_process import echo_server
from bench.figures.figure import Figure
from bench.loads.group import GroupJob
from bench.measurements import Measurements, new_tag
from bench.run import Run

TITLE = "deliveries to a group online on one gateway / a loop of write_message"


def measure(run: Run) -> Figure:
    """One sender, a few messages in flight."""
    _, tokens = run.group(run.plan.group)
    rooms, groups = [], []
    for _ in range(run.plan.rounds):
        rooms.append(_room(run, tokens))
        groups.append(float(once(run)["rate"]))
    detail = {
        "members_online": run.plan.group,
        "group_per_s": median(groups),
        "room_per_s": median(rooms),
        "generator_cores": max(raw["generator_cores"] for raw in run.raw if raw["name"] == "group"),
    }
    return Figure("group", TITLE, "x", 4, 8, median(groups) / median(rooms), detail=detail)


def once(run: Measurements) -> dict[str, Any]:
    """Deliveries in a group, once."""
    group, tokens = run.group(run.plan.group)
    found = run.measure("group", _job(run, run.cluster.url(), group, tokens))
    run.cluster.await_closed()
    return found


def _room(run: Run, tokens: list[str]) -> float:
    port = run.cluster.echo_port
    with echo_server(port) as pid:
        job = _job(run, f"ws://127.0.0.1:{port}/room", "", tokens)
        return float(run.measure("room", job, {"tornado": pid})["rate"])


def _job(run: Measurements, url: str, group: str, tokens: list[str]) -> GroupJob:
    plan = run.plan
    return GroupJob(url, group, tokens, new_tag(), plan.group_in_flight, plan.echo_warm_up_s, plan.echo_window_s)
