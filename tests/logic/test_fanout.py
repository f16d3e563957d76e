"""From outcomes to one message a gateway: who gets what, in which order, and what a router that is away costs."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from msgspec import Raw

from bus import queues
from bus.memory.bus import MemoryBus
from logic.delivery.fanout import FanOut
from logic.delivery.gateways import Gateways
from logic.outcome import Outcome
from protocol.errors import busy
from protocol.frames import MAX_REPLY_BYTES
from protocol.models import (
    Answer,
    DownwardMessage,
    Effect,
    Membership,
    Push,
    ReceiveInfo,
    Revocation,
    Takeover,
    read_downward,
)
from router.interface import GatewayLease, Route, RouterAway, Snapshot
from router.memory.registrar import MemoryRegistrar
from router.memory.router import MemoryRouter

FRAME = Raw(b'{"op":"message","data":{}}')


class Site:
    """Two gateways that live and listen, and one worker's fan-out."""

    def __init__(self) -> None:
        self.bus, self.router = MemoryBus(1), MemoryRouter()
        self.worker = self.bus.worker_end(["ordered.0"], 1)
        self.worker.connect()
        self.inboxes: dict[str, list[DownwardMessage]] = {}
        self.registrars: dict[str, MemoryRegistrar] = {}
        self.gateways = Gateways(self.router.resolver())
        self.fan_out = FanOut("w1.x", "ordered", self.worker, self.gateways)

    async def gateway(self, name: str) -> None:
        address = f"{name}.e1"
        inbox = self.inboxes.setdefault(address, [])

        def receive(body: bytes, ack: Any) -> None:
            inbox.append(read_downward(body))
            ack()

        await self.bus.gateway_end().start(address, receive, lambda is_connected: None)
        registrar = self.registrars[address] = self.router.registrar()
        lease = GatewayLease(name, "e1", "127.0.0.1", 9001, "up", 0)
        await registrar.start(lambda: lease, Snapshot, lambda: None, lambda taken: None)

    async def hold(self, address: str, *users: str, groups: Iterable[str] = ()) -> None:
        for number, user in enumerate(users, 1):
            await self.registrars[address].register(Route(user, number, "web", "", f"s-{user}", number))
        await self.registrars[address].enter_groups(groups)

    async def send(self, *done: tuple[ReceiveInfo, Outcome]) -> None:
        self.fan_out.send(list(done))
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def listen(self, queue: str) -> list[DownwardMessage]:
        """What comes to a queue from now on."""
        heard: list[DownwardMessage] = []
        self.bus.add_gateway(queue, lambda body: heard.append(read_downward(body)))
        return heard

    def bodies(self, address: str) -> list[Any]:
        return [body for message in self.inboxes[address] for body in message.bodies]


@pytest.fixture
async def site() -> AsyncIterator[Site]:
    site = Site()
    await site.gateway("g1")
    await site.gateway("g2")
    yield site
    for registrar in site.registrars.values():
        await registrar.close()


def _command(number: int, gateway: str = "g1", queue: int = 1) -> ReceiveInfo:
    return ReceiveInfo("message.send", number, gateway, "e1", Raw(b"{}"), queue=queue)


def _outcome(*effects: Effect) -> Outcome:
    return Outcome(b"{}", list(effects))


async def test_an_answer_goes_back_where_the_command_came_from(site: Site) -> None:
    await site.send((_command(1, "g1"), _outcome()), (_command(1, "g2"), Outcome(busy())))
    (one,), (two,) = site.bodies("g1.e1"), site.bodies("g2.e1")
    assert isinstance(one, Answer) and (one.number, one.op) == (1, "reply")
    assert isinstance(two, Answer) and (two.number, two.op) == (1, "error")


async def test_answers_and_pushes_go_to_the_queue_that_a_gateway_has_now(site: Site) -> None:
    """A command names it; one that came back names a former one. The link counts on."""
    await site.hold("g1.e1", "ann")
    push = Push(FRAME, users=["ann"])
    await site.send((_command(1), _outcome(push)))
    new = site.listen(queues.gateway("g1.e1", 2))
    await site.send((_command(3, queue=2), _outcome(push)))
    await site.send((_command(2, queue=1), _outcome(push)))
    await site.send((_command(1, "g2"), _outcome(push)))
    assert [message.number for message in site.inboxes["g1.e1"]] == [1]
    assert [message.number for message in new] == [2, 3, 4]


async def test_a_lease_tells_of_a_new_queue_before_any_command_does(site: Site) -> None:
    await site.hold("g1.e1", "ann")
    site.fan_out.beacon()
    new = site.listen(queues.gateway("g1.e1", 2))
    site.router.claim(GatewayLease("g1", "e1", "127.0.0.1", 9001, "up", 0, queue=2))
    site.gateways.refresh(now_please=True)
    await site.send((_command(1, "g2"), _outcome(Push(FRAME, users=["ann"]))))
    assert [message.number for message in new] == [1]


async def test_who_has_just_asked_is_answered_though_its_lease_has_run_out(site: Site) -> None:
    await site.registrars["g1.e1"].close()
    await site.send((_command(1), _outcome(Revocation(["s"], "logged_out"))))
    assert [type(body) for body in site.bodies("g1.e1")] == [Answer, Revocation]


async def test_a_batch_is_one_numbered_message_a_gateway_in_order(site: Site) -> None:
    await site.hold("g1.e1", "ann")
    await site.hold("g2.e1", "bob")
    push = Push(FRAME, users=["ann", "bob"])
    for _ in range(2):
        await site.send((_command(1), _outcome(push)), (_command(2), _outcome(push)))
    for address in ("g1.e1", "g2.e1"):
        assert [(m.number, m.source, m.kind) for m in site.inboxes[address]] == [
            (1, "w1.x", "batch"),
            (2, "w1.x", "batch"),
        ]
    assert [type(body) for body in site.inboxes["g1.e1"][0].bodies] == [Answer, Push, Answer, Push]
    assert [body.users for body in site.bodies("g2.e1")] == [["bob"]] * 4


async def test_a_push_goes_only_where_somebody_is(site: Site) -> None:
    await site.hold("g1.e1", "ann", groups=["team"])
    await site.hold("g2.e1", "bob", "cat", groups=["other"])
    await site.send((_command(1), _outcome(Push(FRAME, users=["ann"], terminals=["app"], excluded="g1.e1.7"))))
    await site.send(
        (_command(2), _outcome(Push(FRAME, group="team"))), (_command(3), _outcome(Push(FRAME, users=["dan"])))
    )
    pushes = [body for body in site.bodies("g1.e1") if isinstance(body, Push)]
    assert [(p.users, p.group, p.terminals, p.excluded) for p in pushes] == [
        (["ann"], "", ["app"], "g1.e1.7"),
        ([], "team", None, ""),
    ]
    assert site.inboxes["g2.e1"] == []


async def test_a_push_that_is_cut_up_keeps_all_else_that_it_says(site: Site) -> None:
    await site.hold("g1.e1", "ann")
    await site.hold("g2.e1", "bob")
    push = Push(FRAME, ["ann", "bob"], seq=7, terminals=["app"], excluded="g1.e1.7", transient=True)
    await site.send((_command(1), _outcome(push)))
    for address, user in (("g1.e1", "ann"), ("g2.e1", "bob")):
        assert site.bodies(address)[-1] == Push(FRAME, [user], "", 7, ["app"], "g1.e1.7", True)


async def test_a_push_to_nobody_goes_nowhere(site: Site) -> None:
    await site.send((_command(1), _outcome(Push(FRAME))))
    assert [type(body) for body in site.bodies("g1.e1")] == [Answer]
    assert site.inboxes["g2.e1"] == []


async def test_a_user_at_two_gateways_is_reached_at_both(site: Site) -> None:
    for address in ("g1.e1", "g2.e1"):
        await site.hold(address, "ann")
    await site.send((_command(1), _outcome(Push(FRAME, users=["ann"]))))
    assert len(site.bodies("g1.e1")) == 2 and len(site.bodies("g2.e1")) == 1


async def test_deltas_go_to_every_gateway_that_lives_even_one_that_began_a_moment_ago(site: Site) -> None:
    site.gateways.refresh()
    await site.gateway("g3")
    join, end = Membership("team", 4, joined=["ann"]), Revocation(["s1"], "logged_out")
    await site.send((_command(1), _outcome(Push(FRAME, group="team"), join, end)))
    assert site.bodies("g2.e1") == site.bodies("g3.e1") == [join, end]


async def test_a_takeover_goes_where_its_user_is_and_everywhere_while_nobody_can_tell(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    await site.hold("g1.e1", "ann")
    await site.hold("g2.e1", "bob")
    site.gateways.refresh()
    takeover = Takeover("ann", "web", 7, "d1", "g1.e1.3")
    await site.send((_command(1), _outcome(takeover)))
    assert [type(body) for body in site.bodies("g1.e1")] == [Answer, Takeover]
    assert site.inboxes["g2.e1"] == []

    def away(*_: object) -> None:
        raise RouterAway("away")

    monkeypatch.setattr(site.gateways._resolver, "resolve", away)
    await site.send((_command(2), _outcome(takeover)))
    assert [type(body) for body in site.bodies("g2.e1")] == [Takeover]


async def test_who_removed_gets_the_notice_before_the_delta(site: Site) -> None:
    await site.hold("g1.e1", "ann", groups=["team"])
    left = Membership("team", 4, left=["ann"])
    await site.send((_command(1, "g2"), _outcome(Push(FRAME, group="team"), left)))
    assert [type(body) for body in site.bodies("g1.e1")] == [Push, Membership]


async def test_a_dead_gateway_is_forgotten_by_whoever_meets_it(site: Site) -> None:
    await site.hold("g1.e1", "ann")
    await site.registrars["g2.e1"].close()
    site.router.register("g2.e1", Route("ann", 1, "web", "", "s-ann", 1))  # as a killed gateway leaves it
    site.router.claim(GatewayLease("g2", "e2", "127.0.0.1", 9002, "up", 0))  # its next life
    await site.send((_command(1), _outcome(Push(FRAME, users=["ann"]))))
    assert site.inboxes["g2.e1"] == []
    assert site.router.resolve(["ann"], [])[0] == {"ann": ["g1.e1"]}


async def test_while_the_router_is_away_frames_go_everywhere(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.gateways.refresh()

    def away(*_: Any) -> Any:
        raise RouterAway

    resolver = site.gateways._resolver
    for name in ("gateways", "resolve", "forget"):
        monkeypatch.setattr(resolver, name, away)
    pushes = (Push(FRAME, users=["ann"]), Push(FRAME, group="team"), Membership("team", 1, joined=["ann"]))
    await site.send((_command(1), _outcome(*pushes)))
    assert [type(body) for body in site.bodies("g2.e1")] == [Push, Push, Membership]
    assert not site.gateways.is_router_up


async def test_an_idle_link_is_told_its_number_and_a_stop_says_bye(site: Site) -> None:
    await site.send((_command(1), _outcome()))
    site.fan_out.is_ready = False
    site.fan_out.beacon()  # g1 heard just now, g2 never
    site.fan_out.bye()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert [(m.kind, m.number) for m in site.inboxes["g1.e1"]] == [("batch", 1), ("bye", 1)]
    assert [(m.kind, m.number, m.ready) for m in site.inboxes["g2.e1"]] == [("beacon", 0, False), ("bye", 0, False)]


async def test_an_answer_larger_than_a_frame_is_told_as_a_fault_of_ours(site: Site) -> None:
    """No handler gives one; a client could not take it."""
    reply = b'{"x":"%b"}' % (b"a" * MAX_REPLY_BYTES)
    asked = ReceiveInfo("sync", 1, "g1", "e1", Raw(b"{}"), trace="t-1")
    opened = ReceiveInfo("session.refresh", 2, "g1", "e1", Raw(b"{}"))
    await site.send((asked, Outcome(reply)), (opened, Outcome(reply)))
    to_client, to_gateway = site.bodies("g1.e1")
    assert to_client.op == "error"
    error = json.loads(bytes(to_client.data))
    assert (error["code"], error["trace"]) == ("internal", "t-1")
    assert to_gateway.op == "reply"
