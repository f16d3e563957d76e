"""From outcomes to one message for each gateway that they concern (docs/architecture.md).

Laws: `send` is called after the COMMIT, and asks the router only then. So a user who comes at that moment is found
there, or reads what was committed. No answer to a client is larger than its frame may be: one that is all the same is
a fault of ours, and told as such.
"""

from __future__ import annotations

import time
from collections.abc import Iterable

import structlog

from bus import queues
from bus.interface import BusLost, WorkerBus
from bus.links import LinkNumbers
from logic.delivery.gateways import Addresses, Gateways
from logic.outcome import Outcome
from protocol import codec
from protocol.errors import internal
from protocol.frames import MAX_REPLY_BYTES
from protocol.models import Answer, Downward, DownwardMessage, Kind, ReceiveInfo
from protocol.ops import CLIENTS, OPS
from protocol.reach import Reach

log = structlog.get_logger()

_Addressed = tuple[Downward, Reach, str]
"""(something that goes down, whom it reaches, the address of the gateway that the command came from)"""


def _by_address(users: Iterable[str], at: Addresses) -> dict[str, list[str]]:
    """{address: those of `users` whom it holds}, by `at` {user: addresses}."""
    held: dict[str, list[str]] = {}
    for user in users:
        for address in at.get(user, ()):
            held.setdefault(address, []).append(user)
    return held


def _sent(envelope: ReceiveInfo, outcome: Outcome) -> list[Downward]:
    """What an outcome sends down: its answer, if it has one and a gateway waits for it, then its effects."""
    is_answered = outcome.reply is not None and not envelope.emitted
    return [_answer(envelope, outcome), *outcome.effects] if is_answered else [*outcome.effects]


def _answer(envelope: ReceiveInfo, outcome: Outcome) -> Answer:
    reply = outcome.reply
    if isinstance(reply, bytes) and len(reply) > MAX_REPLY_BYTES and OPS[envelope.op].callers & CLIENTS:
        trace = envelope.trace or envelope.name
        log.error("reply_too_large", op=envelope.op, command=envelope.name, trace=trace, bytes=len(reply))
        outcome = Outcome(internal(trace))
    return outcome.answer(envelope.number)


class FanOut:
    """Sends for one worker process, over its numbered links. `source` is `{name}.{epoch}`, `worker` its kind.

    For the thread that owns `bus`. `is_ready` goes out with each message: whether the worker can serve.
    """

    def __init__(self, source: str, worker: str, bus: WorkerBus, gateways: Gateways) -> None:
        self._source = source
        self._worker = worker
        self._bus = bus
        self._gateways = gateways
        self._links = LinkNumbers()
        self.is_ready = True

    def __repr__(self) -> str:
        return f"FanOut({self._source}, {self._links}, {self._gateways})"

    def send(self, done: list[tuple[ReceiveInfo, Outcome]]) -> None:
        """Publish every answer and effect of `done`, in order, by one message to each gateway. May wait for the router,
        some 100 ms. Raises BusLost."""
        self._gateways.heard_of({(envelope.origin, envelope.queue) for envelope, _ in done if not envelope.emitted})
        addressed = [
            (body, body.reach, envelope.origin) for envelope, outcome in done for body in _sent(envelope, outcome)
        ]
        at, held = self._locate(addressed)
        boxes: dict[str, list[Downward]] = {}
        for body, reach, origin in addressed:
            if reach.is_origin:
                boxes.setdefault(origin, []).append(body)
            elif reach.users:
                for address, users in _by_address(reach.users, at).items():
                    boxes.setdefault(address, []).append(body.for_users(users))
            else:
                for address in self._gateways.live if reach.is_everywhere else held.get(reach.group, ()):
                    boxes.setdefault(address, []).append(body)
        now = time.monotonic()
        for address, bodies in boxes.items():
            self._publish(address, "batch", self._links.next(address, now), bodies)

    def _locate(self, addressed: list[_Addressed]) -> tuple[Addresses, Addresses]:
        """({user: addresses}, {group: addresses}) of all users and groups that are reached."""
        if any(reach.is_everywhere for _, reach, _ in addressed):
            # A gateway that started a moment ago may hold a user whom this concerns: it must not miss it.
            self._gateways.refresh(now_please=True)
        users = {user for _, reach, _ in addressed for user in reach.users}
        groups = {reach.group for _, reach, _ in addressed if reach.group}
        return self._gateways.locate(users, groups)

    def beacon(self) -> None:
        """Repeat the last number of each link that was idle for 1 s, so that its gateway knows that nothing is missing.
        Raises BusLost."""
        self._gateways.refresh()
        for address in self._links.idle(self._gateways.live.keys(), time.monotonic()):
            self._publish(address, "beacon", self._links.current(address), [])

    def bye(self) -> None:
        """Tell every gateway that this worker stops and nothing comes after this. Raises nothing: without a bus the
        gateways notice the silence."""
        try:
            for address in self._gateways.live:
                self._publish(address, "bye", self._links.current(address), [])
        except BusLost:
            return

    def _publish(self, address: str, kind: Kind, number: int, bodies: list[Downward]) -> None:
        queue = queues.gateway(address, self._gateways.live[address])
        message = DownwardMessage(queue, self._source, bodies, number, kind, self._worker, self.is_ready)
        self._bus.publish(queue, codec.write_struct(message))
