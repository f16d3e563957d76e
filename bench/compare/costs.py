"""What is compared: loads, and what one unit of each costs.

CPU is that of all processes of the cluster, servers included, because work moves between them; programs beside them
disturb it less than they disturb rates.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bench.figures import group, idle, logins, road
from bench.measurements import Measurements, ours

Raw = dict[str, Any]
Parts = dict[str, float]


@dataclass(frozen=True)
class Cost:
    """`parts` of a raw measurement are what each process had of the cost, whose sum it is."""

    name: str
    unit: str
    parts: Callable[[Raw], Parts]


@dataclass(frozen=True)
class Load:
    """`take` puts it on a cluster, once, and gives the raw measurement."""

    take: Callable[[Measurements], Raw]
    costs: tuple[Cost, ...]


def _cpu_us(raw: Raw) -> Parts:
    return ours(raw["cpu_us"])


def _gateway_kib(raw: Raw) -> Parts:
    return {"g1": float(raw["kib_each"])}


LOADS = {
    "road": Load(road.once, (Cost("road", "us of CPU a message", _cpu_us),)),
    "group": Load(group.once, (Cost("group", "us of CPU a delivery", _cpu_us),)),
    "logins": Load(logins.once, (Cost("logins", "us of CPU a login", _cpu_us),)),
    "idle": Load(
        idle.once,
        (
            Cost("idle", "us of CPU a connection and s", _cpu_us),
            Cost("memory", "KiB of a gateway an idle connection", _gateway_kib),
        ),
    ),
}
