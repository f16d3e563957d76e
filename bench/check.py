"""Whether a run kept the promise: what was acknowledged was delivered, once, in order, under one gapless seq. Pure.

Law: a figure whose run broke it is no figure (the caller fails).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

Pushes = Sequence[tuple[int, int]]


def direction_violations(acked: Mapping[int, int], pushed: Pushes) -> list[str]:
    """From one sender to one receiver: `acked` {number: seq} there, `pushed` (number, seq) here, as they arrived."""
    found = []
    received = dict(pushed)
    lost = acked.keys() - received.keys()
    if lost:
        found.append(f"{len(lost)} acknowledged and not delivered")
    if len(received) != len(pushed):
        found.append(f"{len(pushed) - len(received)} delivered more than once")
    if any(here[1] >= there[1] or here[0] >= there[0] for here, there in pairwise(pushed)):
        found.append("delivered out of order")
    if any(received.get(number, seq) != seq for number, seq in acked.items()):
        found.append("acknowledged and delivered under different seqs")
    return found


def seq_violations(seqs: Sequence[int]) -> list[str]:
    """All seqs that one conversation got in a run: consecutive, each once."""
    ordered = sorted(seqs)
    if ordered and ordered != list(range(ordered[0], ordered[0] + len(ordered))):
        return ["seqs with a hole or a repetition"]
    return []
