"""What a comparison found, for people and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from statistics import median
from typing import Any

from bench.compare.checkout import Commit
from bench.compare.comparison import OTHER, A, B, Comparison
from bench.compare.verdict import Verdict, table
from bench.plan import Plan
from bench.report import disturbance, machine


def text(commits: Mapping[str, Commit], comparison: Comparison, verdicts: list[Verdict]) -> str:
    """The table, and what its reader must know besides."""
    lines = [f"{side}  {commit.name}  {commit.title}" for side, commit in commits.items()]
    lines += ["", table(verdicts), ""]
    if rates := _rates(comparison):
        told = ", ".join(f"{name} {found[A]:,.0f} to {found[B]:,.0f}/s" for name, found in rates.items())
        lines.append(f"rates, which noise disturbs more: {told}")
    waiting = _waiting_cores(comparison)
    lines.append(disturbance(comparison.raw(A) + comparison.raw(B)))
    lines.append(f"among them the cluster that waited, with {waiting[A]:.3f} cores (A) and {waiting[B]:.3f} (B)")
    return "\n".join(lines)


def document(
    stamp: str, commits: Mapping[str, Commit], plan: Plan, comparison: Comparison, verdicts: list[Verdict]
) -> dict[str, Any]:
    """{"date", "machine", "commits", "plan", "costs", "is_within", "rates", "waiting_cores"}, sides by A and B."""
    return {
        "date": stamp,
        "machine": machine(),
        "commits": {side: asdict(commit) for side, commit in commits.items()},
        "plan": asdict(plan),
        "costs": [verdict.found() for verdict in verdicts],
        "is_within": all(verdict.is_within for verdict in verdicts),
        "rates": _rates(comparison),
        "waiting_cores": _waiting_cores(comparison),
    }


def _rates(comparison: Comparison) -> dict[str, dict[str, float]]:
    """Medians by load and side, of the loads that have a rate."""
    return {
        name: {side: round(median(pair[side]["rate"] for pair in pairs), 1) for side in (A, B)}
        for name, pairs in comparison.measured.items()
        if pairs and "rate" in pairs[0][A]
    }


def _waiting_cores(comparison: Comparison) -> dict[str, float]:
    """What each used while the other was under load."""
    return {side: median(raw["waiting_cores"] for raw in comparison.raw(OTHER[side])) for side in (A, B)}
