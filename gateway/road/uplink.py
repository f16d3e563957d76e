"""Commands up to the workers, in batches, each remembered until its answer comes (docs/architecture.md, "The road").

Laws: every command submitted is answered once, by a worker or by us (`busy`, `timeout`), within the deadline. A batch
leaves when it is full, or at once when no other batch of its queue is under way; else after a delay that grows with
their number, 2 ms behind one and 10 ms behind four. So a quiet system answers fast, and a busy system sends few, large
batches.
"""

from __future__ import annotations

import asyncio
import time

from msgspec import Raw

from bus.interface import GatewayBus, Put
from gateway.metrics import BATCH_COMMANDS
from gateway.road.reply_to import ReplyTo
from process.supervision import keep_task_running
from protocol import codec
from protocol.errors import ImError, busy, timeout
from protocol.models import Answer, ReceiveInfo, TopicMessage

TICK_S = 0.002
BATCH_DELAYS_S = (0.0, 0.002, 0.004, 0.008, 0.010)  # behind so many batches under way, or more
MAX_BATCH_COMMANDS = 300
MAX_BATCH_BYTES = 256 * 1024
SWEEP_S = 0.1


class _Line:
    """One queue: the batch that is being filled since `since`, and the number of batches under way."""

    __slots__ = ("bodies", "numbers", "queue", "since", "size", "under_way")

    def __init__(self, queue: str) -> None:
        self.queue = queue
        self.bodies: list[Raw] = []
        self.numbers: list[int] = []
        self.size = 0
        self.since = 0.0
        self.under_way = 0

    def is_due(self, now: float) -> bool:
        return now - self.since >= BATCH_DELAYS_S[min(self.under_way, len(BATCH_DELAYS_S) - 1)]


class _Batch:
    """A batch under way: how many of its commands have no answer yet."""

    __slots__ = ("line", "unanswered")

    def __init__(self, line: _Line, unanswered: int) -> None:
        self.line = line
        self.unanswered = unanswered

    def is_done_with_one(self) -> bool:
        """Count an answer; whether it was the last."""
        self.unanswered -= 1
        if self.unanswered == 0:
            self.line.under_way -= 1
        return self.unanswered == 0


class _Pending:
    """A command without an answer: where that goes, until when it may come, and the batch that the command left in."""

    __slots__ = ("batch", "deadline", "frame_id", "reply_to")

    def __init__(self, reply_to: ReplyTo, frame_id: str | None, deadline: float) -> None:
        self.reply_to = reply_to
        self.frame_id = frame_id
        self.deadline = deadline
        self.batch: _Batch | None = None


class Uplink:
    """One gateway's commands under way. `source` is the gateway's address."""

    def __init__(self, source: str, bus: GatewayBus, timeout_s: float, max_pending: int) -> None:
        self._source = source
        self._bus = bus
        self._timeout_s = timeout_s
        self._max_pending = max_pending
        self._pending: dict[int, _Pending] = {}
        self._lines: dict[str, _Line] = {}
        self._is_ticking = False
        self._sweeper: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"Uplink({len(self._pending)} pending, {len(self._lines)} queues)"

    def __len__(self) -> int:
        return len(self._pending)

    def start(self) -> None:
        """Begin to watch the deadlines."""
        self._sweeper = keep_task_running("uplink-sweeper", self._sweep)

    async def settle(self, within_s: float) -> None:
        """Return when nothing waits for an answer any more, or after so long."""
        until = time.monotonic() + within_s
        while self._pending and time.monotonic() < until:
            await asyncio.sleep(SWEEP_S / 10)

    def stop(self) -> None:
        """Answer `timeout` to all that still waits."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        self.abandon()

    def submit(self, queue: str, command: ReceiveInfo, reply_to: ReplyTo, frame_id: str | None = None) -> None:
        """Send a command. Raises ImError busy: too many under way, no broker."""
        if len(self._pending) >= self._max_pending or not self._bus.connected:
            raise busy()
        command.queue = self._bus.queue_number
        body = codec.write_struct(command)
        now = time.monotonic()
        self._pending[command.number] = _Pending(reply_to, frame_id, now + self._timeout_s)
        line = self._lines.get(queue)
        if line is None:
            line = self._lines[queue] = _Line(queue)
        if not line.bodies:
            line.since = now
        line.bodies.append(Raw(body))
        line.numbers.append(command.number)
        line.size += len(body)
        if len(line.bodies) >= MAX_BATCH_COMMANDS or line.size >= MAX_BATCH_BYTES:
            self._flush(line)
        elif line.under_way == 0:
            if len(line.bodies) == 1:
                # At once means after all that this turn of the loop brings for the same queue.
                asyncio.get_running_loop().call_soon(self._flush, line)
        elif not self._is_ticking:
            self._next_tick()

    def answer(self, answer: Answer) -> None:
        """Hand on a worker's answer, unless its command was answered before."""
        pending = self._pending.pop(answer.number, None)
        if pending is not None:
            self._answered(pending)
            pending.reply_to.answered(pending.frame_id, answer.op, bytes(answer.data))

    def abandon(self) -> None:
        """The broker is gone, and with it every answer: their outcomes are unknown."""
        for line in self._lines.values():
            line.under_way = 0
            _empty(line)
        pending, self._pending = self._pending, {}
        _refuse(list(pending.values()), timeout())

    def _answered(self, pending: _Pending) -> None:
        batch = pending.batch
        if batch is not None and batch.is_done_with_one() and batch.line.under_way == 0:
            self._flush(batch.line)

    def _next_tick(self) -> None:
        self._is_ticking = True
        asyncio.get_running_loop().call_later(TICK_S, self._tick)

    def _tick(self) -> None:
        """All lines at the same moment: their batches then leave in one write."""
        self._is_ticking = False
        now = time.monotonic()
        for line in self._lines.values():
            if line.bodies:
                if line.is_due(now):
                    self._flush(line)
                elif not self._is_ticking:
                    self._next_tick()

    def _flush(self, line: _Line) -> None:
        if not line.bodies:
            return
        numbers, bodies = _empty(line)
        BATCH_COMMANDS.observe(len(bodies))
        put = self._bus.publish(line.queue, codec.write_struct(TopicMessage(line.queue, self._source, bodies)))
        if put is not Put.ACCEPTED:
            _refuse([p for n in numbers if (p := self._pending.pop(n, None)) is not None], busy())
            return
        waiting = [pending for n in numbers if (pending := self._pending.get(n)) is not None]
        if waiting:
            batch = _Batch(line, len(waiting))
            line.under_way += 1
            for pending in waiting:
                pending.batch = batch

    async def _sweep(self) -> None:
        """All commands may take equally long: the oldest come first, and the first that has time left ends the look."""
        while True:
            await asyncio.sleep(SWEEP_S)
            now = time.monotonic()
            late: list[_Pending] = []
            for pending in self._pending.values():
                if pending.deadline > now:
                    break
                late.append(pending)
            for pending in late:
                del self._pending[next(iter(self._pending))]
                self._answered(pending)
            _refuse(late, timeout())


def _empty(line: _Line) -> tuple[list[int], list[Raw]]:
    numbers, bodies = line.numbers, line.bodies
    line.numbers, line.bodies, line.size = [], [], 0
    return numbers, bodies


def _refuse(waiting: list[_Pending], refusal: ImError) -> None:
    data = codec.write(refusal.data())
    for pending in waiting:
        pending.reply_to.answered(pending.frame_id, "error", data)
