"""How many logins may be under way at once, and when those beyond may come again. Pure; moments are monotonic seconds.

Laws: a login that is let in is answered in time, because those before it are few. Who is turned away gets a turn of its
own behind the one before, at `per_s`: thousands who lost another gateway do not come again together.
"""

from __future__ import annotations

SOONEST_S = 1.0


class Admission:
    """`at_once` logins under way are let in; the turns of the others are `per_s`."""

    def __init__(self, at_once: int, per_s: int) -> None:
        self._at_once = at_once
        self._apart_s = 1.0 / per_s
        self._under_way = 0
        self._last_turn = 0.0

    def __repr__(self) -> str:
        return f"Admission({self._under_way} of {self._at_once} logins)"

    def enter(self) -> bool:
        """Whether one more may begin; call `leave` when it has ended."""
        if self._under_way >= self._at_once:
            return False
        self._under_way += 1
        return True

    def leave(self) -> None:
        """A login has ended, one way or another."""
        self._under_way -= 1

    def again_after_s(self, now: float) -> float:
        """In how many seconds the turn of one comes who may not begin now."""
        self._last_turn = max(self._last_turn + self._apart_s, now + SOONEST_S)
        return self._last_turn - now
