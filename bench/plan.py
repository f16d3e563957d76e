"""How much a run does: the full one for figures that count, the quick one to see in a minute where things stand."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Plan:
    """How often echo and road take turns, and how often all else is measured; windows in s; sizes of crowds."""

    name: str
    road_rounds: int
    rounds: int
    warm_up_s: float
    window_s: float
    echo_warm_up_s: float
    echo_window_s: float
    idle: int
    group: int
    logins: int
    storm: int
    storm_groups: int
    storm_jitter_s: float
    pair_connections: int = 100
    pair_window: int = 10
    echo_connections: int = 50
    echo_window: int = 8
    group_in_flight: int = 4
    logins_at_once: int = 96
    storm_messages_per_s: float = 20.0
    idle_s: float = 2.0
    slow_connections: int = 20
    slow_messages_per_s: float = 25.0
    slow_text_bytes: int = 10_000
    steady_messages_per_s: float = 400.0


FULL = Plan(
    "full",
    5,
    3,
    3.0,
    8.0,
    1.0,
    4.0,
    idle=5000,
    group=2000,
    logins=2000,
    storm=5000,
    storm_groups=50,
    storm_jitter_s=10.0,
)
QUICK = Plan(
    "quick",
    2,
    1,
    1.0,
    2.0,
    0.5,
    1.2,
    idle=2000,
    group=1000,
    logins=600,
    storm=1000,
    storm_groups=10,
    storm_jitter_s=2.0,
)
