"""What the fault tests measured, shown at the end of a run: how docs/faults.md is kept true."""

from __future__ import annotations

FIGURES: list[str] = []


def note(what: str, seconds: float, limit_s: float) -> None:
    """Remember a time, and fail where it is over its limit."""
    FIGURES.append(f"{what:<72} {seconds:6.2f} s  (at most {limit_s:.0f} s)")
    assert seconds <= limit_s, f"{what}: {seconds:.2f} s, at most {limit_s:.0f} s"
