"""The two clusters in turns: who comes first changes with each pair, so that a machine that slows down favours neither.

Law: only one of them is under load at a time. The other waits, and what it uses meanwhile is measured, too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bench import usage
from bench.compare.costs import LOADS, Cost, Parts, Raw
from bench.compare.verdict import Verdict
from bench.figures.idle import WARM_UP
from bench.load_process import LoadFailed
from bench.measurements import Cluster, Measurements, ours
from bench.plan import Plan

A, B = "A", "B"
OTHER = {A: B, B: A}


class Comparison:
    """`measured` holds for each load the raw measurements of A and B, pair by pair."""

    def __init__(
        self, clusters: dict[str, Cluster], plan: Plan, names: Sequence[str], say: Callable[[str], None]
    ) -> None:
        self.measured: dict[str, list[dict[str, Raw]]] = {name: [] for name in names}
        self._clusters = clusters
        self._sides = {side: Measurements(cluster, plan, _saying(side, say)) for side, cluster in clusters.items()}
        self._plan = plan

    def __repr__(self) -> str:
        counts = {name: len(pairs) for name, pairs in self.measured.items()}
        return f"Comparison({self._clusters}, pairs={counts})"

    def seed(self) -> None:
        """Make all users and the group, so that no measurement waits for them."""
        for side in self._sides.values():
            side.users(max(self._plan.pair_connections, self._plan.logins, self._plan.idle + WARM_UP))
            side.group(self._plan.group)

    def take_pair(self, number: int) -> None:
        """All loads on both. Raises LoadFailed, ProcessFailed, PromiseBroken, ScriptFailed."""
        for name, pairs in self.measured.items():
            pairs.append({side: self._take(name, side) for side in ((A, B) if number % 2 == 0 else (B, A))})

    def verdicts(self, at_most_percent: float) -> list[Verdict]:
        """One of each cost of which there is a pair."""
        return [
            Verdict(cost, self._parts(name, cost, A), self._parts(name, cost, B), at_most_percent)
            for name, pairs in self.measured.items()
            if pairs
            for cost in LOADS[name].costs
        ]

    def _parts(self, name: str, cost: Cost, side: str) -> list[Parts]:
        """Of each pair."""
        return [cost.parts(pair[side]) for pair in self.measured[name]]

    def raw(self, side: str) -> list[Raw]:
        """What was measured of one side."""
        return [pair[side] for pairs in self.measured.values() for pair in pairs]

    def _take(self, name: str, side: str) -> Raw:
        waiting = self._clusters[OTHER[side]].pids()
        begun = usage.look(waiting)
        found = LOADS[name].take(self._sides[side])
        used = ours(usage.shares(begun, usage.look(waiting)))
        for cost in LOADS[name].costs:
            if sum(cost.parts(found).values()) <= 0:
                raise LoadFailed(f"{cost.name} cost nothing that can be measured: more --seconds or --connections.")
        return {**found, "waiting_cores": round(sum(used.values()), 3)}


def _saying(side: str, say: Callable[[str], None]) -> Callable[[str], None]:
    return lambda line: say(f"{side} {line}")
