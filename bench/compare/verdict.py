"""From pairs of measurements to a verdict: the median of the ratios of each pair. Pure.

A pair's two measurements follow one another, so that a machine that changes its speed changes it for both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from bench.compare.costs import Cost, Parts
from bench.report import number

TRIFLE = 0.005


@dataclass(frozen=True)
class Verdict:
    """A cost in each pair: what the processes of A had of it, and those of B."""

    cost: Cost
    a: list[Parts]
    b: list[Parts]
    at_most_percent: float

    @property
    def ratios(self) -> list[float]:
        """B's to A's, of each pair."""
        return [_whole(b) / _whole(a) for a, b in zip(self.a, self.b, strict=True)]

    @property
    def ratio(self) -> float:
        return median(self.ratios)

    @property
    def is_within(self) -> bool:
        """Whether B costs at most so much more."""
        return self.ratio <= 1 + self.at_most_percent / 100

    def found(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "name": self.cost.name,
            "unit": self.cost.unit,
            "a": _median_of(self.a),
            "b": _median_of(self.b),
            "ratio": round(self.ratio, 4),
            "ratios": [round(ratio, 4) for ratio in self.ratios],
            "is_within": self.is_within,
            "parts": {name: [_part(self.a, name), _part(self.b, name)] for name in _names(self.a, self.b)},
        }


def table(verdicts: Sequence[Verdict]) -> str:
    """Two lines a cost: its medians with the verdict, and which processes had how much of it in A and in B."""
    rows = [f"{'cost':<8} {'A':>9} {'B':>9} {'B/A':>7} {'(pairs)':>15}  {'':<21} unit"]
    for one in verdicts:
        ratios, limit = one.ratios, f"{one.at_most_percent:g} %"
        told = f"within {limit}" if one.is_within else f"COSTS {100 * (one.ratio - 1):.1f} % MORE"
        pairs = f"({min(ratios):.3f}-{max(ratios):.3f})"
        medians = f"{number(_median_of(one.a)):>9} {number(_median_of(one.b)):>9}"
        rows.append(f"{one.cost.name:<8} {medians} {one.ratio:>7.3f} {pairs:>15}  {told:<21} {one.cost.unit}")
        if parts := _shown_parts(one):
            rows.append(f"{'':<8}  {parts}")
    return "\n".join(rows)


def _shown_parts(one: Verdict) -> str:
    """Who had how much of it, from A to B, but for trifles; nothing where it all is one's."""
    whole = max(_median_of(one.a), _median_of(one.b))
    parts = [(name, _part(one.a, name), _part(one.b, name)) for name in _names(one.a, one.b)]
    shown = [f"{name} {number(a)} to {number(b)}" for name, a, b in parts if max(a, b) >= TRIFLE * whole]
    return ", ".join(shown) if len(parts) > 1 else ""


def _whole(parts: Parts) -> float:
    return sum(parts.values())


def _median_of(measured: Sequence[Parts]) -> float:
    return round(median(_whole(parts) for parts in measured), 3)


def _part(measured: Sequence[Parts], name: str) -> float:
    return round(median(parts.get(name, 0.0) for parts in measured), 3)


def _names(*measured: Sequence[Parts]) -> list[str]:
    """Of all processes that either commit has."""
    return list(dict.fromkeys(name for one in measured for parts in one for name in parts))
