"""Commands up to the workers, in batches, and who waits for their answers (design section 4, steps 1 and 2).

Laws: every command submitted is answered once, by a worker or by us (`busy`, `timeout`), within the deadline. A batch
leaves at once when none of its queue's commands is unanswered, else when it is full or after 10 ms.
"""

from __future__ import annotations

import asyncio
import time
from typing import NamedTuple

from msgspec import Raw

from bus.interface import GatewayBus, Put
from gateway.asker import Asker
from gateway.metrics import BATCH_COMMANDS
from protocol import codec
from protocol.errors import ImError, bad_field, busy, timeout
from protocol.models import ReceiveInfo, TopicMessage

BATCH_DELAY_S = 0.010
MAX_BATCH_COMMANDS = 300
MAX_BATCH_BYTES = 256 * 1024
SWEEP_S = 0.1


class _Line:
    """What goes to one queue: the batch being filled, and how many commands are on their way."""

    __slots__ = ("bodies", "numbers", "queue", "size", "under_way")

    def __init__(self, queue: str) -> None:
        self.queue = queue
        self.bodies: list[Raw] = []
        self.numbers: list[int] = []
        self.size = 0
        self.under_way = 0


class _Pending(NamedTuple):
    asker: Asker
    frame_id: str | None
    deadline: float
    line: _Line


class Uplink:
    """One gateway's commands under way. `source` is the gateway's address."""

    def __init__(self, source: str, bus: GatewayBus, timeout_s: float, max_pending: int) -> None:
        self._source = source
        self._bus = bus
        self._timeout_s = timeout_s
        self._max_pending = max_pending
        self._pending: dict[int, _Pending] = {}
        self._lines: dict[str, _Line] = {}
        self._delayed: asyncio.TimerHandle | None = None
        self._sweeper: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"Uplink({len(self._pending)} pending, {len(self._lines)} queues)"

    def __len__(self) -> int:
        return len(self._pending)

    def start(self) -> None:
        """Begin to watch the deadlines."""
        self._sweeper = asyncio.get_running_loop().create_task(self._sweep())

    def stop(self) -> None:
        """Answer `timeout` to all that still waits."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        self.abandon()

    def submit(self, queue: str, command: ReceiveInfo, asker: Asker, frame_id: str | None = None) -> None:
        """Send a command. Raises ImError: busy (too many under way, no broker), bad_field (a number no JSON holds)."""
        if len(self._pending) >= self._max_pending or not self._bus.connected:
            raise busy()
        try:
            body = codec.write_struct(command)
        except (OverflowError, ValueError):
            raise bad_field("data", "a number is out of range") from None
        line = self._lines.get(queue)
        if line is None:
            line = self._lines[queue] = _Line(queue)
        self._pending[command.number] = _Pending(asker, frame_id, time.monotonic() + self._timeout_s, line)
        line.bodies.append(Raw(body))
        line.numbers.append(command.number)
        line.size += len(body)
        if len(line.bodies) >= MAX_BATCH_COMMANDS or line.size >= MAX_BATCH_BYTES:
            self._flush(line)
        elif line.under_way == 0 and len(line.bodies) == 1:
            # At once means after what else this turn of the loop brings for the same queue.
            asyncio.get_running_loop().call_soon(self._flush, line)
        elif self._delayed is None:
            self._delayed = asyncio.get_running_loop().call_later(BATCH_DELAY_S, self._flush_all)

    def take(self, number: int) -> _Pending | None:
        """The one who waits for command `number`; None where it was answered before."""
        pending = self._pending.pop(number, None)
        if pending is not None:
            line = pending.line
            line.under_way -= 1
            if line.under_way == 0 and line.bodies:
                self._flush(line)
        return pending

    def abandon(self) -> None:
        """The broker is gone, and with it every answer: their outcomes are unknown."""
        for line in self._lines.values():
            line.under_way = 0
            self._empty(line)
        pending, self._pending = self._pending, {}
        _refuse(list(pending.values()), timeout())

    def _flush_all(self) -> None:
        self._delayed = None
        for line in self._lines.values():
            self._flush(line)

    def _flush(self, line: _Line) -> None:
        if not line.bodies:
            return
        numbers, bodies = self._empty(line)
        BATCH_COMMANDS.observe(len(bodies))
        put = self._bus.publish(line.queue, codec.write_struct(TopicMessage(line.queue, self._source, bodies)))
        if put is Put.ACCEPTED:
            line.under_way += len(numbers)
        else:
            _refuse([p for n in numbers if (p := self._pending.pop(n, None)) is not None], busy())

    def _empty(self, line: _Line) -> tuple[list[int], list[Raw]]:
        numbers, bodies = line.numbers, line.bodies
        line.numbers, line.bodies, line.size = [], [], 0
        return numbers, bodies

    async def _sweep(self) -> None:
        """All have the same time to live, so the oldest are first and the first that still has time ends the look."""
        while True:
            await asyncio.sleep(SWEEP_S)
            now = time.monotonic()
            late: list[_Pending] = []
            for pending in self._pending.values():
                if pending.deadline > now:
                    break
                late.append(pending)
                pending.line.under_way -= 1
            for _ in late:
                del self._pending[next(iter(self._pending))]
            _refuse(late, timeout())


def _refuse(waiting: list[_Pending], refusal: ImError) -> None:
    data = codec.write(refusal.data())
    for pending in waiting:
        pending.asker.answered(pending.frame_id, "error", data)
