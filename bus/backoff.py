"""How long to wait before the next attempt to connect: 0.1 s, doubling up to 2 s, plus up to a half of it at random."""

from __future__ import annotations

import random

FIRST_S = 0.1
LAST_S = 2.0


class Backoff:
    """The waits, in seconds, of one series of attempts."""

    def __init__(self) -> None:
        self._base_s = FIRST_S

    def __repr__(self) -> str:
        return f"Backoff({self._base_s} s)"

    def next_s(self) -> float:
        """Seconds to wait now; the next wait is longer. The random part keeps processes that lost the same broker from
        coming back all at once."""
        base_s = self._base_s
        self._base_s = min(base_s * 2, LAST_S)
        return base_s * random.uniform(1.0, 1.5)

    def reset(self) -> None:
        """The attempt succeeded: the next series begins at 0.1 s again."""
        self._base_s = FIRST_S
