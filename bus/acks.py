"""Which AMQP acks say that a set of deliveries of one channel is done with. Pure.

Law: a tag is acked only when it was settled, and once; `multiple` is used only up to a tag below which all are settled.
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
        """The acks to send, as (tag, multiple), now that `tags` are settled too."""
        new = sorted({tag for tag in tags if tag > self._floor and tag not in self._above})
        self._above.update(new)
        while self._floor + 1 in self._above:
            self._floor += 1
            self._above.remove(self._floor)
        # The tag of a multiple ack must itself be open still: RabbitMQ closes the channel over an unknown one.
        covered = [tag for tag in new if tag <= self._floor]
        single = [(tag, False) for tag in new if tag > self._floor]
        return [(covered[-1], len(covered) > 1), *single] if covered else single
