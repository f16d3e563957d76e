"""What a run found, for people (a table) and for later (JSON)."""

from __future__ import annotations

import json
import os
import platform
import subprocess
from dataclasses import asdict
from pathlib import Path
from statistics import median
from typing import Any

import psutil

from bench.figures.figure import Figure
from bench.plan import Plan
from ops.templates import ROOT

DISTURBED_CORES = 0.2


def table(figures: list[Figure]) -> str:
    """One line a figure."""
    rows = [f"{'figure':<9} {'must':>9} {'goal':>9} {'measured':>10}  {'':<9} what"]
    for figure in figures:
        verdict = "goal met" if figure.meets_goal else "must met" if figure.meets_must else "MISSED"
        marks = " ".join(f"{number(mark):>9}" for mark in (figure.must, figure.goal))
        value = number(figure.value)
        rows.append(f"{figure.name:<9} {marks} {value:>10}  {verdict:<9} {figure.title} [{figure.unit}]")
        rows += [f"{'':<11}{name} {_shown(value)}" for name, value in figure.detail.items()]
    return "\n".join(rows)


def disturbance(raw: list[dict[str, Any]]) -> str:
    """How much other programs had of this machine meanwhile; whoever reads the table must know."""
    others = [one["cores"]["others"] for one in raw if "cores" in one]
    if not others:
        return "nothing was measured"
    told = f"other programs used {median(others):.2f} of {os.cpu_count()} cores meanwhile, at most {max(others):.2f}"
    return told + (": the rates are those of a shared machine" if max(others) > DISTURBED_CORES else "")


def write(directory: Path, stamp: str, plan: Plan, figures: list[Figure], raw: list[dict[str, Any]]) -> Path:
    """`bench-DATE.json`: the figures, all raw measurements, and where they were made."""
    found = {
        "date": stamp,
        "machine": machine(),
        "revision": revision(),
        "plan": asdict(plan),
        "figures": [{**asdict(one), "meets_must": one.meets_must, "meets_goal": one.meets_goal} for one in figures],
        "raw": raw,
    }
    target = directory / f"bench-{stamp}.json"
    target.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n")
    return target


def machine() -> dict[str, Any]:
    return {
        "host": platform.node(),
        "system": platform.platform(),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "memory_mib": psutil.virtual_memory().total // 2**20,
        "load_average": list(os.getloadavg()),
    }


def revision() -> str:
    """The commit, with `+` where files differ from it."""
    words = ["git", "-C", str(ROOT), "describe", "--always", "--dirty=+", "--abbrev=12"]
    return subprocess.run(words, check=False, capture_output=True, text=True).stdout.strip() or "unknown"


def number(value: float) -> str:
    """With as many digits as tell something."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def _shown(value: object) -> str:
    return number(value) if isinstance(value, float) else str(value)
