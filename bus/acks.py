"""The fewest AMQP acks for the deliveries of one channel that are done with. Pure.

Law: a tag is acked once, and only when it is settled; `multiple` is used only up to a tag below which all are settled.
"""

from __future__ import annotations

from collections.abc import Iterable


class AckFloor:
    """The settled delivery tags of one channel, which count from 1 (AMQP 0-9-1, section 1.1: delivery-tag)."""

    def __init__(self) -> None:
        self._floor = 0
        self._above: set[int] = set()

    def __repr__(self) -> str:
        return f"AckFloor(up to {self._floor}, {len(self._above)} above)"

    def settle(self, tags: Iterable[int]) -> list[tuple[int, bool]]:
        """Note that `tags` are settled, too; returns the acks to send, [(tag, multiple)]. A tag that was settled before
        gives none."""
        new = sorted({tag for tag in tags if tag > self._floor and tag not in self._above})
        self._above.update(new)
        while self._floor + 1 in self._above:
            self._floor += 1
            self._above.remove(self._floor)
        # The tag of a multiple ack must be unacked itself: RabbitMQ closes the channel over a tag it does not know.
        covered = [tag for tag in new if tag <= self._floor]
        single = [(tag, False) for tag in new if tag > self._floor]
        return [(covered[-1], len(covered) > 1), *single] if covered else single
