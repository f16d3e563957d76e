"""A figure: what was measured beside what it must and should be."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Figure:
    """`low_is_good` turns the comparison round. `detail` is what the number was made of."""

    name: str
    title: str
    unit: str
    must: float
    goal: float
    value: float
    low_is_good: bool = False
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def meets_must(self) -> bool:
        return self._is_at_least(self.must)

    @property
    def meets_goal(self) -> bool:
        return self._is_at_least(self.goal)

    def _is_at_least(self, mark: float) -> bool:
        return self.value <= mark if self.low_is_good else self.value >= mark
