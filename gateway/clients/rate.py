"""How fast a connection may send: a bucket of frames, and how much beyond it is forgiven. Pure.

Laws: a connection costs two floats, a frame no timer. Each float is a moment (the generic cell rate algorithm): what
was admitted is paid for until `paid_until`, what was refused is forgiven at `forgiven_at`, both at the same rate. So
the answer to a refused frame says when there will be room for it behind those that were refused before it.
"""

from __future__ import annotations

from enum import Enum
from math import ceil

MAX_RETRY_AFTER_S = 60


class Verdict(Enum):
    """What to do with a frame."""

    ADMIT = "admit"
    REFUSE = "refuse"
    CLOSE = "close"  # too much was refused: this is no burst


# Looked up by every frame: a global costs a fifth of what an attribute of an Enum does.
ADMIT, REFUSE, CLOSE = Verdict


class Meter:
    """What one connection has sent. Moments are monotonic seconds."""

    __slots__ = ("forgiven_at", "paid_until")

    def __init__(self) -> None:
        self.paid_until = 0.0
        self.forgiven_at = 0.0

    def __repr__(self) -> str:
        return f"Meter(paid until {self.paid_until:.3f}, forgiven at {self.forgiven_at:.3f})"


class Rate:
    """`per_s` frames a second with bursts of `burst`; closed with more than `tolerance` refused, not yet forgiven."""

    def __init__(self, per_s: float, burst: int, tolerance: int) -> None:
        self._cost_s = 1.0 / per_s
        self._ahead_s = (burst - 1) / per_s
        self._tolerance_s = tolerance / per_s

    def __repr__(self) -> str:
        return f"Rate({1 / self._cost_s:.0f}/s, burst {self._ahead_s / self._cost_s + 1:.0f})"

    def take(self, meter: Meter, now: float) -> Verdict:
        """Count a frame."""
        paid = meter.paid_until
        if paid - now <= self._ahead_s:
            meter.paid_until = (paid if paid > now else now) + self._cost_s
            return ADMIT
        meter.forgiven_at = max(meter.forgiven_at, now) + self._cost_s
        return CLOSE if meter.forgiven_at - now > self._tolerance_s else REFUSE

    def charge(self, meter: Meter, frames: int, now: float) -> None:
        """What was admitted counts as so many frames more: what comes next waits the longer. So a command that costs
        more than a burst is possible once, and is paid for afterwards."""
        meter.paid_until = max(meter.paid_until, now) + frames * self._cost_s

    def retry_after_s(self, meter: Meter, now: float) -> int:
        """When a frame that was refused now will be admitted, if those refused before it come first: 1 to 60 s."""
        until = max(meter.forgiven_at, meter.paid_until - self._ahead_s)
        return min(max(1, ceil(until - now)), MAX_RETRY_AFTER_S)
