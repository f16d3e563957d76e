"""How long to wait before the next attempt to connect: 0.1 s, doubling to 2 s, plus up to a half at random."""

from __future__ import annotations

import random

FIRST_S = 0.1
LAST_S = 2.0


class Backoff:
    """The waiting times of one series of attempts."""

    def __init__(self) -> None:
        self._base_s = FIRST_S

    def __repr__(self) -> str:
        return f"Backoff({self._base_s} s)"

    def next_s(self) -> float:
        """Seconds to wait now. The random part keeps many processes from coming back in step."""
        base_s = self._base_s
        self._base_s = min(base_s * 2, LAST_S)
        return base_s * random.uniform(1.0, 1.5)

    def reset(self) -> None:
        """The attempt succeeded: begin anew next time."""
        self._base_s = FIRST_S
