"""The workers in their threads, over a bus, a router and a store of this process: what crosses, and what is left."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Generator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec import Raw

from bus import queues
from bus.memory.bus import MemoryBus
from logic.delivery.emitter import Emitter, command_of
from logic.delivery.fanout import FanOut
from logic.delivery.gateways import Gateways
from logic.handlers.people import sessions
from logic.handlers.table import COMMON, HANDLERS, HASHING, Handler, many, one, stepwise
from logic.outcome import Outcome, replied
from logic.refresh_tokens import RefreshTokens
from logic.rules import Rules
from logic.services import Services
from logic.work import Work
from logic.workers.handover import Handover
from logic.workers.ordered import BUSY_COMMANDS, BatchSize, OrderedWorker
from logic.workers.outbox_watch import OutboxWatch
from logic.workers.pool.lanes import LaneSize
from logic.workers.pool.worker import PoolWorker
from logic.workers.purge import PurgeJob
from process import supervision
from process.supervision import keep_thread_running
from protocol import codec, content
from protocol.clock import now_ms
from protocol.errors import not_found
from protocol.models import (
    Answer,
    Effect,
    Push,
    ReceiveInfo,
    Revocation,
    TopicMessage,
    UserInfo,
    read_downward,
    read_upward,
)
from protocol.ops import OPS, ORDERED, PARALLEL
from protocol.replies import Reply
from protocol.tokens import TokenSigner
from router.interface import GatewayLease, Route, Snapshot
from router.memory.router import MemoryRouter
from router.shares import owners
from store import meta
from store.database import Database, open_sqlite
from store.errors import StoreError
from store.tables import attempts, messages, outbox, users
from store.tables.outbox import OutboxRow
from store.tables.purges import PURGES
from store.transaction import Transaction
from tests.bus_fabric import Gateway
from tests.logic.road import SECRET
from tests.private_servers import PrivateServers
from tests.store.engines import open_server
from tests.store.rows import NOW_MS, emitted_waiting, timeline, user

ADDRESS = "g1.e1"
AB = "p:ann:bob"


class Site:
    """One queue of conversations, `parallel`, their workers, and a gateway that listens."""

    def __init__(self, path: Path) -> None:
        self.database: Database = open_sqlite(path, 4)
        self.bus, self.router = MemoryBus(1), MemoryRouter()
        self.gateway = Gateway(self.bus.gateway_end())
        self.stopping = threading.Event()
        self.threads: list[threading.Thread] = []
        self._number = 0
        meta.initialise(self.database, 1)
        with self.database.transaction() as tx:
            users.insert_missing(tx, [user("ann"), user("bob")], NOW_MS)

    async def start(self) -> None:
        await self.gateway.start(ADDRESS)
        registrar = self.router.registrar()
        lease = GatewayLease("g1", "e1", "127.0.0.1", 9001, "up", 0)
        await registrar.start(lambda: lease, Snapshot, lambda: None, lambda taken: None)
        self._registrar = registrar

    async def hold(self, user: str) -> None:
        """The gateway has a connection of this user."""
        await self._registrar.register(Route(user, 1, "web", "d", "s", 1))

    def ordered(self, database: Database | None = None, max_commands: int = 300, name: str = "w1") -> OrderedWorker:
        end = self.bus.worker_end([queues.ordered(0)], 32, self.stopping)
        resolver = self.router.resolver()
        fan_out = FanOut(f"{name}.x", ORDERED, end, Gateways(resolver))
        handover = Handover(name, "x", 1, end, resolver)
        store = database or open_sqlite(self.path, 1)
        size = BatchSize(max_commands, 1 << 20)
        emitter = Emitter(f"{name}.x", end, 1)
        return self._run(OrderedWorker(end, fan_out, emitter, handover, store, 1, size, Rules(), self.stopping))

    def parallel(
        self, hashing_waiting: int = 20, handlers: dict[str, Handler] | None = None, purge_look_s: float = 60
    ) -> PoolWorker:
        end = self.bus.worker_end([PARALLEL], 32, self.stopping)
        fan_out = FanOut("p1.x", PARALLEL, end, Gateways(self.router.resolver()))
        services = Services(open_sqlite(self.path, 5), TokenSigner(SECRET, 60), RefreshTokens(SECRET), 600, "epoch")
        lanes = {COMMON: LaneSize(2), HASHING: LaneSize(1, hashing_waiting)}
        watch = OutboxWatch(services.database, "p1.x")
        emitter = Emitter("p1.x", end, 1)
        purge = PurgeJob(services.database, "p1.x", dict.fromkeys(PURGES, 30 * 86_400), 86_400, purge_look_s)
        chosen = handlers or HANDLERS
        return self._run(PoolWorker(end, fan_out, emitter, services, chosen, lanes, watch, purge, self.stopping))

    @property
    def path(self) -> str:
        return str(self.database.engine).removeprefix("sqlite ")

    def _run(self, worker: Any) -> Any:
        self.threads.append(keep_thread_running("worker", worker.run, self.stopping))
        return worker

    def command(self, op: str, data: dict[str, Any], sender: str = "ann") -> ReceiveInfo:
        self._number += 1
        encoded = Raw(codec.write(data))
        return ReceiveInfo(op, self._number, "g1", "e1", encoded, sender=UserInfo(sender, "web"), session="s1")

    def send(self, text: str = "hi", **more: Any) -> ReceiveInfo:
        data = {"conversation": AB, "cid": f"c{self._number}", "type": "text", "body": {"text": text}, **more}
        return self.command("message.send", data)

    def publish(self, *commands: ReceiveInfo) -> None:
        """One batch, to the queue of its first command."""
        op = OPS.get(commands[0].op)
        queue = PARALLEL if op is None or op.key is None else queues.ordered(0)
        bodies = [Raw(codec.write_struct(command)) for command in commands]
        self.bus.publish(queue, codec.write_struct(TopicMessage(queue, ADDRESS, bodies)))

    def answers(self, source: str = "") -> dict[int, Answer]:
        """All answers, or those of one worker."""
        messages = [message for raw in self.gateway.bodies if (message := read_downward(raw)).source.startswith(source)]
        found = [body for message in messages for body in message.bodies]
        return {body.number: body for body in found if isinstance(body, Answer)}

    async def ask(self, *commands: ReceiveInfo) -> list[dict[str, Any]]:
        """Publish a batch and wait for all its answers: their data, with the op."""
        self.publish(*commands)
        return await self.answered(*commands)

    async def answered(self, *commands: ReceiveInfo) -> list[dict[str, Any]]:
        await self.gateway.until(lambda: all(command.number in self.answers() for command in commands))
        answers = [self.answers()[command.number] for command in commands]
        return [{"op": answer.op, **json.loads(bytes(answer.data))} for answer in answers]

    def dead(self) -> list[bytes]:
        end = self.bus.worker_end([queues.DEAD], 100)
        end.connect()
        bodies = [delivery.body for delivery in end.take(0)]
        end.close()
        return bodies

    def take_and_drop(self, queue: str) -> None:
        """A consumer takes what waits and dies: it comes back redelivered."""
        end = self.bus.worker_end([queue], 100)
        end.connect()
        assert end.take(0)
        end.close()

    async def stop(self) -> None:
        self.stopping.set()
        for thread in self.threads:
            thread.join(20)
            assert not thread.is_alive()
        await self._registrar.close()
        self.database.close()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path / "store.db")
    await site.start()
    yield site
    if not site.stopping.is_set():
        await site.stop()


async def test_an_ordered_worker_answers_in_order_over_a_numbered_link(site: Site) -> None:
    site.ordered()
    batches = [[site.send() for _ in range(5)] for _ in range(4)]
    for batch in batches:
        site.publish(*batch)
    answers = await site.answered(*(command for batch in batches for command in batch))
    assert [answer["seq"] for answer in answers] == list(range(1, 21))
    link = [read_downward(body) for body in site.gateway.bodies]
    assert [m.number for m in link if m.kind == "batch"] == list(range(1, sum(m.kind == "batch" for m in link) + 1))


async def test_what_is_no_work_is_answered_with_its_reason(site: Site) -> None:
    site.ordered()
    site.parallel()
    bad, good = await site.ask(site.send(conversation="nowhere"), site.send())
    assert (bad["code"], good["op"]) == ("bad_field", "reply")
    (unknown,) = await site.ask(site.command("no.op", {}))
    assert unknown["code"] == "unknown_op"


@pytest.mark.parametrize("body", [b"", b"not json", b'{"to":1}', b"\xff\xfe"])
async def test_what_cannot_be_read_is_dead_and_the_next_is_served(site: Site, body: bytes) -> None:
    site.ordered()
    site.bus.publish(queues.ordered(0), body)
    assert (await site.ask(site.send()))[0]["seq"] == 1
    assert site.dead() == [body]


async def test_a_poisonous_command_is_dead_and_the_others_are_served(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    check = content.check_body
    monkeypatch.setattr(content, "check_body", lambda t, b: 1 / 0 if b["text"] == "poison" else check(t, b))
    site.ordered()
    first, poison, last = await site.ask(site.send(), site.send("poison"), site.send())
    assert (first["seq"], poison["code"], last["seq"]) == (1, "internal", 2)
    assert "trace" in poison and "division" not in json.dumps(poison)
    await site.stop()
    assert [read["op"] for read in map(json.loads, site.dead())] == ["message.send"]


async def test_what_was_committed_before_its_worker_died_is_answered_again(site: Site) -> None:
    site.ordered()
    command = site.send(cid="mine")
    (first,) = await site.ask(command)
    site.stopping.set()
    for thread in site.threads:
        thread.join()
    site.gateway.bodies.clear()
    site.publish(command)
    site.take_and_drop(queues.ordered(0))
    site.stopping.clear()
    site.ordered()
    (again,) = await site.answered(command)
    assert again == {**first, "duplicate": True}
    with site.database.reading() as tx:
        assert len(messages.after(tx, AB, 0, 10)) == 1
        assert tx.rows("SELECT name FROM attempts") == []


@pytest.mark.parametrize("op", ["message.send", "sync"])
async def test_what_killed_its_workers_twice_is_given_up(site: Site, op: str) -> None:
    command = site.send() if op == "message.send" else site.command("sync", {"cursors": {}})
    queue = queues.ordered(0) if op == "message.send" else PARALLEL
    with site.database.transaction() as tx:
        attempts.count(tx, command.name, now_ms())
    site.publish(command)
    site.take_and_drop(queue)
    site.ordered()
    site.parallel()
    (answer,) = await site.answered(command)
    assert answer["code"] == "internal"
    await site.stop()
    assert [codec.msgspec.json.decode(body, type=ReceiveInfo).name for body in site.dead()] == [command.name]


async def test_a_stopping_worker_finishes_what_it_took_and_says_bye(site: Site) -> None:
    site.ordered()
    site.parallel()
    commands = [site.send() for _ in range(50)]
    reads = [site.command("sync", {"cursors": {}}) for _ in range(20)]
    for command in commands:
        site.publish(command)
    site.publish(*reads)
    await site.answered(commands[0])
    await site.stop()
    await site.gateway.until(lambda: sum(read_downward(b).kind == "bye" for b in site.gateway.bodies) == 2)
    left = site.bus.worker_end([queues.ordered(0), PARALLEL], 1000)
    left.connect()
    waiting = {command.number for delivery in left.take(0) for command in read_upward(delivery.body).bodies}
    assert waiting | set(site.answers()) == {command.number for command in (*commands, *reads)}
    assert not waiting & set(site.answers())


@pytest.fixture
def slow_commands(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each send takes 5 ms: more than a worker gets through can be queued at once."""
    check = content.check_body

    def check_slowly(type_: str, body: Any) -> None:
        time.sleep(0.005)
        check(type_, body)

    monkeypatch.setattr(content, "check_body", check_slowly)


@pytest.mark.slow
@pytest.mark.usefixtures("slow_commands")
async def test_a_full_worker_is_relieved_while_its_backlog_waits(site: Site) -> None:
    """What waits is for the next owner, who is found within seconds, not when everything is carried out."""
    to = owners(["w1", "w2"], 1)[0]
    full = "w2" if to == "w1" else "w1"
    backlog = [site.send() for _ in range(2000)]
    for command in backlog:
        site.publish(command)
    site.ordered(name=full)
    await site.answered(backlog[0])
    site.ordered(name=to)
    await site.gateway.until(lambda: bool(site.answers(source=f"{to}.x")))
    assert len(site.answers()) < len(backlog) / 2
    answered = list(site.answers())
    assert answered == sorted(answered), "in the order in which they were sent, over both workers"


@pytest.mark.usefixtures("slow_commands")
async def test_a_stopping_worker_leaves_its_backlog_to_the_next(site: Site) -> None:
    site.ordered()
    backlog = [site.send() for _ in range(2000)]
    for command in backlog:
        site.publish(command)
    await site.answered(backlog[0])
    await site.stop()
    assert len(site.answers()) < len(backlog) / 2


@pytest.mark.parametrize("waiting", [0, BUSY_COMMANDS])
async def test_a_batch_is_answered_before_the_next_is_written(
    site: Site, servers: PrivateServers, waiting: int
) -> None:
    """The next waits for a row that another holds: who is in the first batch does not, however busy the worker is."""
    server = open_server(servers.fresh_database())
    meta.initialise(server, 1)
    with server.transaction() as tx:
        users.insert_missing(tx, [user("ann"), user("bob")], NOW_MS)
    first, second = site.send("first"), site.send("second")
    for command in (first, second):
        site.publish(command)
    others = [site.send(f"{number}") for number in range(waiting)]
    if others:
        site.publish(*others)
    cid = json.loads(bytes(second.data))["cid"]
    with pytest.raises(ZeroDivisionError), server.transaction() as holder:
        messages.insert(holder, [timeline("p:bob:zoe", 1)[0]._replace(sender="ann", cid=cid)])
        site.ordered(server, max_commands=1)
        assert [answer["seq"] for answer in await site.answered(first)] == [1]
        assert second.number not in site.answers()
        raise ZeroDivisionError
    answers = await site.answered(second, *others)
    assert [answer["seq"] for answer in answers] == [*range(2, waiting + 3)]
    await site.stop()
    server.close()


async def test_a_parallel_worker_answers_every_kind_of_command(site: Site) -> None:
    site.parallel()
    answers = await site.ask(
        site.command("sync", {"cursors": {}}),
        site.command("user.get", {"ids": ["bob"]}),
        site.command("session.open", {"user": "ann", "session": "none"}),
        site.command("session.open", {"user": "bob", "session": "none"}),
        site.command("message.read", {"conversation": AB, "seq": 1, "cid": "c"}),
        site.command("account.register", {"username": "dan", "password": "long enough", "cid": "c"}, sender=""),
    )
    assert [answer.get("code", answer["op"]) for answer in answers] == [
        *("reply", "reply", "unauthenticated", "unauthenticated", "bad_field", "reply"),
    ]


async def test_a_flood_of_passwords_is_busy_and_delays_nobody_else(site: Site) -> None:
    site.parallel(hashing_waiting=2)
    login = {"username": "nobody", "password": "wrong"}
    flood = [site.command("account.login", {**login, "cid": f"c{n}"}, sender="") for n in range(20)]
    *answers, sync = await site.ask(*flood, site.command("sync", {"cursors": {}}))
    codes = [answer["code"] for answer in answers]
    assert sync["op"] == "reply"
    assert codes.count("unauthenticated") >= 3 and set(codes) == {"unauthenticated", "busy"}


@pytest.mark.parametrize(("waiting", "others_at"), [(20, "198.51.100.{}"), (40, "198.51.100.1"), (20, "203.0.113.9")])
async def test_a_flood_of_logins_from_one_address_leaves_others_half_of_the_hashing(
    site: Site, waiting: int, others_at: str
) -> None:
    """16 people log in while an address asks for 60 logins to one account at once: none of them is refused, and of what
    is hashed until the last of them has an answer at most half is the flood's. So it is where the 16 have one address,
    and where it is that of the flood."""
    site.parallel(hashing_waiting=waiting)

    def login(name: str, address: str) -> ReceiveInfo:
        made = site.command("account.login", {"username": name, "password": "wrong"}, sender="")
        return msgspec.structs.replace(made, address=address)

    flood = [login("flooded", "203.0.113.9") for _ in range(60)]
    others = [login(f"other{number}", others_at.format(number)) for number in range(16)]
    commands = [*flood[:30], *others, *flood[30:]]
    answers = await site.ask(*commands)
    codes = {command.number: answer["code"] for command, answer in zip(commands, answers, strict=True)}
    assert [codes[other.number] for other in others] == ["unauthenticated"] * 16
    hashed = [number for number in site.answers() if codes[number] == "unauthenticated"]
    until = max(hashed.index(other.number) for other in others) + 1
    assert until <= 2 * len(others) + 2  # one was begun before, one may be answered together with the last
    assert "busy" in codes.values()


async def test_the_same_write_at_once_is_carried_out_once_and_answered_alike(site: Site) -> None:
    site.parallel()
    data = {"name": "安", "cid": "c"}
    answers = await site.ask(*(site.command("user.update", data) for _ in range(10)))
    assert all(answer == {"op": "reply", "user": {"id": "ann", "name": "安"}} for answer in answers)


async def test_a_fault_of_ours_says_nothing_of_its_insides(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(users, "get", lambda *_: 1 / 0)
    site.parallel()
    (answer,) = await site.ask(site.command("user.get", {"ids": ["bob"]}))
    assert answer["code"] == "internal" and set(answer) == {"op", "code", "message", "retry", "trace"}


def _thinking_aloud(work: Work, services: Services) -> Generator[Effect, None, Outcome]:
    """A handler that takes its time: three frames, then its outcome."""
    for part in range(3):
        yield Push(Raw(b'{"op":"part","data":{"n":%d}}' % part), users=["ann"])
    return replied(Reply())


async def test_a_handler_may_send_frames_before_its_outcome(site: Site) -> None:
    await site.hold("ann")
    site.parallel(handlers={"user.get": stepwise(_thinking_aloud)})
    command = site.command("user.get", {"ids": ["bob"]})
    assert await site.ask(command) == [{"op": "reply"}]
    sent = [body for raw in site.gateway.bodies for body in read_downward(raw).bodies]
    kinds = [type(body).__name__ for body in sent]
    assert kinds == ["Push", "Push", "Push", "Answer"]
    assert [json.loads(bytes(body.frame))["data"]["n"] for body in sent if isinstance(body, Push)] == [0, 1, 2]


def _emitted(site: Site, **more: Any) -> ReceiveInfo:
    """A notice for bob, in the outbox and on its way."""
    data = {"conversation": "s:bob", "cid": "~c", "body": {"event": "test"}, **more}
    row = OutboxRow("_system", "~c", "notice.append", "s:bob", codec.write(data).decode())
    with site.database.transaction() as tx:
        outbox.put(tx, [row])
    return command_of(row)


async def _off_the_outbox(site: Site) -> None:
    for _ in range(500):
        with site.database.reading() as tx:
            if emitted_waiting(tx) == 0:
                return
        await asyncio.sleep(0.01)
    raise AssertionError("it is still there")


async def test_nobody_is_answered_for_an_emitted_command(site: Site) -> None:
    site.ordered()
    command = _emitted(site)
    site.publish(command)
    await _off_the_outbox(site)
    assert (await site.ask(site.send()))[0]["seq"] == 1
    addresses = {read_downward(body).to for body in site.gateway.bodies}
    assert addresses == {queues.gateway(ADDRESS, 1)}
    with site.database.reading() as tx:
        assert [row.body for row in messages.after(tx, "s:bob", 0, 10)] == ['{"event":"test"}']


async def test_an_emitted_command_that_nobody_can_carry_out_is_dead_and_off_the_outbox(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(content, "encode_body", lambda _: 1 / 0)
    site.ordered()
    site.publish(_emitted(site))
    await _off_the_outbox(site)
    await site.stop()
    assert [read["op"] for read in map(json.loads, site.dead())] == ["notice.append"]


async def test_a_pool_worker_purges(site: Site) -> None:
    with site.database.transaction() as tx:
        attempts.count(tx, "old", NOW_MS)
    site.parallel(purge_look_s=0.1)
    for _ in range(500):
        with site.database.reading() as tx:
            if not tx.rows("SELECT name FROM attempts"):
                return
        await asyncio.sleep(0.01)
    raise AssertionError("it is still there")


async def test_what_is_due_is_sent_again(site: Site) -> None:
    """It was lost on its way; a pool worker finds it in the store once it is due."""
    _emitted(site)
    with site.database.transaction() as tx:
        tx.execute("UPDATE outbox SET due = 0")
    site.ordered()
    site.parallel()
    await _off_the_outbox(site)
    with site.database.reading() as tx:
        assert len(messages.after(tx, "s:bob", 0, 10)) == 1


async def test_a_long_command_sends_frames_before_its_refusal(site: Site) -> None:
    def steps(work: Work, services: Services) -> Generator[Effect, None, Outcome]:
        yield Revocation([work.sender.user], "first")
        raise not_found()

    site.parallel(handlers={"user.get": stepwise(steps)})
    (answer,) = await site.ask(site.command("user.get", {"ids": ["bob"]}))
    assert answer["code"] == "not_found"
    sent = [body for raw in site.gateway.bodies for body in read_downward(raw).bodies]
    assert [type(body) for body in sent] == [Revocation, Answer]


async def test_an_emitted_command_that_fails_by_a_fault_of_ours_is_dead_and_off_the_outbox(site: Site) -> None:
    row = OutboxRow("ann", "~1", "user.update", "", '{"name":"x","cid":"~1"}')
    with site.database.transaction() as tx:
        outbox.put(tx, [row])
    site.parallel(handlers={**HANDLERS, "user.update": one(lambda work, services: Outcome(b"%d" % (1 // 0)))})
    site.publish(command_of(row))
    assert (await site.ask(site.command("sync", {"cursors": {}})))[0]["op"] == "reply"
    await site.stop()
    assert [codec.msgspec.json.decode(body, type=ReceiveInfo).emitted for body in site.dead()] == ["~1"]
    with open_sqlite(site.path, 1).reading() as tx:
        assert tx.rows("SELECT cid FROM outbox") == []


async def test_of_a_list_only_the_command_that_fails_is_refused(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    opened = sessions.open_all

    def open_all(works: list[Work], services: Services) -> list[Outcome]:
        if any(work.args.session == "poison" for work in works):
            raise ZeroDivisionError
        return opened(works, services)

    site.parallel(handlers={"session.open": many(open_all)})
    commands = [site.command("session.open", {"user": "ann", "session": name}) for name in ("a", "poison", "b")]
    assert [answer["code"] for answer in await site.ask(*commands)] == [
        "unauthenticated",
        "internal",
        "unauthenticated",
    ]


async def test_a_store_that_refuses_to_count_redeliveries_ends_no_worker(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as for a missing right: what came back is held, the worker goes on, and settles it when it can."""
    note, refusals = attempts.note, iter([StoreError("no right"), StoreError("no right")])

    def refused_at_first(tx: Transaction, names: Any, now: int) -> set[str]:
        error = next(refusals, None)
        if error is not None:
            raise error
        return note(tx, names, now)

    monkeypatch.setattr(attempts, "note", refused_at_first)
    command = site.send()
    site.publish(command)
    site.take_and_drop(queues.ordered(0))
    site.ordered()
    (answer,) = await site.answered(command)
    assert answer["seq"] == 1


@pytest.mark.parametrize("death", [SystemExit, MemoryError, GeneratorExit])
async def test_an_ordered_worker_that_dies_of_anything_is_started_again_and_loses_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch, death: type[BaseException]
) -> None:
    monkeypatch.setattr(supervision, "_failed_at", {})
    store = open_sqlite(site.path, 1)
    begin, deaths = store.transaction, iter([death("a fault")])

    def transaction(*args: Any) -> Any:
        if (error := next(deaths, None)) is not None:
            raise error
        return begin(*args)

    monkeypatch.setattr(store, "transaction", transaction)
    worker = site.ordered(store)
    first, second = site.send("one"), site.send("two")
    assert [answer["seq"] for answer in await site.ask(first, second)] == [1, 2]
    assert worker.is_ready
    if not issubclass(death, Exception):  # an Exception is met within the worker: its thread goes on
        assert supervision.recent_failures() == ["worker"]


@pytest.mark.parametrize("death", [SystemExit, MemoryError])
async def test_a_thread_of_a_lane_that_dies_of_anything_leaves_nobody_without_an_answer(
    site: Site, death: type[BaseException]
) -> None:
    def die(work: Work, services: Services) -> Outcome:
        raise death("a fault")

    site.parallel(handlers={**HANDLERS, "user.get": one(die)})
    (answer,) = await site.ask(site.command("user.get", {"ids": ["bob"]}))
    assert answer["code"] == "internal"
    assert (await site.ask(site.command("sync", {"cursors": {}})))[0]["op"] == "reply"
