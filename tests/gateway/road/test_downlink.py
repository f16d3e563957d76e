"""What workers send: given to the handler of its kind, in order, in turns of the loop; over the bus in memory."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from typing import get_args

from msgspec import Raw

from bus import queues
from bus.memory.bus import MemoryBus
from gateway.clients.outgoing import Outgoing
from gateway.road.downlink import TURN_S, Downlink
from gateway.road.links import Links
from protocol.models import Answer, Downward, Membership, Push
from tests.gateway.site import Site, until
from tests.gateway.wires import ADDRESS, PARTITIONS, FarEnd

FRAME = Raw(b"{}")


class Rig:
    """A downlink that writes down what it hands out. Handling a push takes several steps, each of them a whole turn."""

    def __init__(self, steps: int = 2) -> None:
        self.heard: list[str] = []
        self.bus = MemoryBus(PARTITIONS)
        self.end = self.bus.gateway_end()
        self._steps = steps
        handlers = {Answer: self._answer, Push: self._push}
        self.downlink = Downlink(Links(self.end, self.heard.append), handlers, Outgoing(1000, 60.0))

    async def start(self) -> FarEnd:
        await self.end.start(ADDRESS, self.downlink.receive, lambda is_connected: None)
        return FarEnd(self.bus)

    async def hears(self, *expected: str) -> None:
        await until(lambda: len(self.heard) >= len(expected))
        assert self.heard == list(expected)

    def _answer(self, answer: Answer) -> None:
        self.heard.append(f"answer {answer.number}")

    def _push(self, push: Push) -> Iterator[None]:
        for step in range(self._steps):
            yield
            self.heard.append(f"push {step}")
            until = time.monotonic() + TURN_S
            while time.monotonic() < until:
                continue


def answer(number: int) -> Answer:
    return Answer(number, "reply", FRAME)


def test_in_a_gateway_every_kind_has_a_handler(site: Site) -> None:
    assert set(site.gateway._handlers()) == set(get_args(Downward))


async def test_bodies_are_handled_in_their_order_and_a_hole_is_noticed_before_what_follows() -> None:
    rig = Rig()
    far = await rig.start()
    far.send(ADDRESS, answer(1), Push(FRAME), answer(2))
    far.send(ADDRESS, answer(3), lost=1)
    await rig.hears("answer 1", "push 0", "push 1", "answer 2", "hole in the link of w1.x", "answer 3")


async def test_what_takes_many_steps_lets_the_loop_turn() -> None:
    rig = Rig(steps=10)
    far = await rig.start()
    far.send(ADDRESS, Push(FRAME), answer(1))
    turns = 0
    while "answer 1" not in rig.heard:
        await asyncio.sleep(0)
        turns += 1
    assert turns >= 10


async def test_neither_an_unreadable_message_nor_one_that_fails_stops_the_others() -> None:
    rig = Rig()
    far = await rig.start()
    rig.bus.publish(queues.gateway(ADDRESS, 1), b'{"to":"x","source":"w1.x","bodies":[{"kind":"nobody knows"}]}')
    far.send(ADDRESS, Membership("team", 1))  # this rig has no handler of it
    far.send(ADDRESS, answer(1))
    await rig.hears("answer 1")
