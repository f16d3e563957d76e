"""One queue in memory, with the rules of its counterpart in RabbitMQ. Not thread-safe: the bus holds its lock.

- Consumers stand in a line. Of an `ordered` queue only the first is given messages.
- A consumer has at most `limit` unacked messages. When it unsubscribes they go back to their places, as redelivered.
- Bounded by bytes: a full queue refuses the next body and keeps those that it holds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field


@dataclass(slots=True)
class Message:
    """A body in a queue; `position` (from 1) is its place, which it keeps when it comes back."""

    position: int
    body: bytes
    redelivered: bool = False


@dataclass(eq=False)
class Consumer:
    """One subscription to one queue. `unacked` {position: message} were given to it; there are at most `limit`."""

    limit: int
    unacked: dict[int, Message] = field(default_factory=dict)

    def __repr__(self) -> str:
        return f"Consumer({len(self.unacked)} of {self.limit} unacked)"


class MemoryQueue:
    """Messages that wait, at most about `max_bytes` of them, and the consumers in line."""

    def __init__(self, name: str, max_bytes: int, is_ordered: bool) -> None:
        self.name = name
        self._max_bytes = max_bytes
        self._is_ordered = is_ordered
        self._waiting: deque[Message] = deque()
        self._line: list[Consumer] = []
        self._position = 0
        self._bytes = 0

    def __repr__(self) -> str:
        return f"MemoryQueue({self.name}, {len(self._waiting)} waiting, {len(self._line)} consumers)"

    @property
    def is_full(self) -> bool:
        """Whether the bodies that wait take `max_bytes` or more; unacked ones do not count."""
        return self._bytes >= self._max_bytes

    def put(self, body: bytes) -> bool:
        """Append `body`; False where the queue is full."""
        if self.is_full:
            return False
        self._position += 1
        self._waiting.append(Message(self._position, body))
        self._bytes += len(body)
        return True

    def subscribe(self, consumer: Consumer) -> None:
        """Put `consumer` at the back of the line."""
        self._line.append(consumer)

    def unsubscribe(self, consumer: Consumer) -> None:
        """Take `consumer` out of the line; its unacked messages go back to their places."""
        self._line.remove(consumer)
        returned = consumer.unacked.values()
        for message in returned:
            message.redelivered = True
            self._bytes += len(message.body)
        if returned:
            self._waiting = deque(sorted((*returned, *self._waiting), key=lambda message: message.position))
        consumer.unacked = {}

    def take(self, consumer: Consumer) -> list[Message]:
        """The messages that `consumer` is given now, up to its limit; none of an ordered queue unless it is the first
        in line."""
        if self._is_ordered and self._line[0] is not consumer:
            return []
        count = max(0, min(consumer.limit - len(consumer.unacked), len(self._waiting)))
        given = [self._waiting.popleft() for _ in range(count)]
        for message in given:
            self._bytes -= len(message.body)
            consumer.unacked[message.position] = message
        return given
