"""From outcomes to one message for each gateway concerned: commit first, resolve after (docs/architecture.md)."""

from __future__ import annotations

import time
from collections.abc import Iterable

from bus import queues
from bus.interface import BusLost, WorkerBus
from bus.links import LinkNumbers
from logic.delivery.gateways import Gateways
from logic.outcome import Outcome
from protocol import codec
from protocol.models import Downward, DownwardMessage, Push, ReceiveInfo, Takeover


def _addressees(outcomes: Iterable[Outcome]) -> tuple[set[str], set[str]]:
    users: set[str] = set()
    groups: set[str] = set()
    for outcome in outcomes:
        for effect in outcome.effects:
            if isinstance(effect, Push):
                users.update(effect.users)
                if effect.group:
                    groups.add(effect.group)
            elif isinstance(effect, Takeover):
                users.add(effect.user)
    return users, groups


def _by_address(push: Push, at: dict[str, list[str]], held: dict[str, list[str]]) -> dict[str, Push]:
    """`push` cut up: each address gets the users that it holds."""
    if push.group:
        return dict.fromkeys(held.get(push.group, ()), push)
    users_at: dict[str, list[str]] = {}
    for user in push.users:
        for address in at.get(user, ()):
            users_at.setdefault(address, []).append(user)
    return {
        address: push
        if len(users) == len(push.users)
        else Push(push.frame, users=users, terminals=push.terminals, excluded=push.excluded)
        for address, users in users_at.items()
    }


class FanOut:
    """Sends for one worker process, over its numbered links. `source` is `{name}.{epoch}`."""

    def __init__(self, source: str, bus: WorkerBus, gateways: Gateways) -> None:
        self._source = source
        self._bus = bus
        self._gateways = gateways
        self._links = LinkNumbers()
        self.is_ready = True

    def __repr__(self) -> str:
        return f"FanOut({self._source}, {self._links}, {self._gateways})"

    def send(self, done: list[tuple[ReceiveInfo, Outcome]]) -> None:
        """Publish every answer and effect, in order, one message a gateway. Raises BusLost."""
        self._gateways.heard_of({envelope.origin for envelope, _ in done if not envelope.emitted})
        users, groups = _addressees(outcome for _, outcome in done)
        if any(not isinstance(effect, Push | Takeover) for _, outcome in done for effect in outcome.effects):
            # A gateway that started a moment ago may hold a user whom this concerns: it must not miss it.
            self._gateways.refresh(now_please=True)
        at, held = self._gateways.locate(users, groups)
        boxes: dict[str, list[Downward]] = {}
        for envelope, outcome in done:
            if outcome.reply is not None and not envelope.emitted:
                boxes.setdefault(envelope.origin, []).append(outcome.answer(envelope.number))
            for effect in outcome.effects:
                if isinstance(effect, Push):
                    for address, part in _by_address(effect, at, held).items():
                        boxes.setdefault(address, []).append(part)
                elif isinstance(effect, Takeover):
                    for address in at.get(effect.user, ()):
                        boxes.setdefault(address, []).append(effect)
                else:
                    for address in self._gateways.live:
                        boxes.setdefault(address, []).append(effect)
        now = time.monotonic()
        for address, bodies in boxes.items():
            self._publish(address, "batch", self._links.next(address, now), bodies)

    def beacon(self) -> None:
        """Tell every gateway whose link was idle for 1 s what its last number was. Raises BusLost."""
        self._gateways.refresh()
        for address in self._links.idle(self._gateways.live, time.monotonic()):
            self._publish(address, "beacon", self._links.current(address), [])

    def bye(self) -> None:
        """An orderly stop: nothing comes after this. As far as the bus still stands."""
        try:
            for address in self._gateways.live:
                self._publish(address, "bye", self._links.current(address), [])
        except BusLost:
            return

    def _publish(self, address: str, kind: str, number: int, bodies: list[Downward]) -> None:
        queue = queues.gateway(address)
        message = DownwardMessage(queue, self._source, bodies, number=number, kind=kind, ready=self.is_ready)  # type: ignore[arg-type]
        self._bus.publish(queue, codec.write_struct(message))
