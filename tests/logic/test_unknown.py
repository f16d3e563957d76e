"""A COMMIT that got no answer, a worker that died behind one, lost connections to the broker: what workers say of it,
in their threads."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest

from bus.interface import BusLost
from bus.memory.bus import MemoryWorkerBus
from logic.workers.ordered import BUSY_COMMANDS
from logic.workers.pool.pending import HeldWorks
from protocol.models import Answer, Push, Revocation, read_downward
from protocol.ops import PARALLEL
from store.database import Database
from store.errors import CommitUnknown, Contention
from store.tables import messages
from store.transaction import Transaction
from tests.logic.test_workers import Site, site

__all__ = ["site"]


def _commit_unheard(monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer to the COMMIT of the next message or write is lost, and then every look at a cid meets a lock, a dozen
    times."""
    commit, by_cids, insert = Database._commit, messages.by_cids, messages.insert
    locks = iter(range(12))
    is_lost, mine = threading.Event(), threading.local()

    def commit_and_lose(database: Database, steady: Any) -> None:
        commit(database, steady)
        if getattr(mine, "has_written", False) and not is_lost.is_set():
            is_lost.set()
            raise CommitUnknown("lost")

    def noted(tx: Transaction, rows: Any) -> None:
        mine.has_written = True
        insert(tx, rows)

    def locked(tx: Transaction, pairs: Any) -> Any:
        if is_lost.is_set() and next(locks, None) is not None:
            raise Contention("a lock")
        return by_cids(tx, pairs)

    monkeypatch.setattr(Database, "_commit", commit_and_lose)
    monkeypatch.setattr(messages, "insert", noted)
    monkeypatch.setattr(messages, "by_cids", locked)


@pytest.mark.parametrize("op", ["message.send", "account.logout"])
async def test_a_commit_unknown_followed_by_contention_is_answered_by_what_is_stored(
    site: Site, monkeypatch: pytest.MonkeyPatch, op: str
) -> None:
    """Never `busy`: an owner and a pool hold it until its cid was looked up, and then others are told, too."""
    await site.hold("bob")
    command = site.send() if op == "message.send" else site.command(op, {"cid": "c"})
    _commit_unheard(monkeypatch)
    site.ordered()
    site.parallel()
    (answer,) = await site.ask(command)
    assert answer["op"] == "reply" and answer.get("duplicate", True)
    await site.stop()
    sent = [body for raw in site.gateway.bodies for body in read_downward(raw).bodies]
    assert sum(isinstance(body, Answer) for body in sent) == 1
    assert sum(isinstance(body, Push | Revocation) for body in sent) == 1


async def test_a_pool_that_stops_leaves_what_it_holds_to_others(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    command = site.command("user.update", {"name": "Ann", "cid": "c"})
    is_held, hold = threading.Event(), HeldWorks.hold

    def held(works: HeldWorks, *what: Any) -> None:
        hold(works, *what)
        is_held.set() if what[1] else None

    with monkeypatch.context() as patch:
        _commit_unheard(patch)
        patch.setattr(HeldWorks, "hold", held)
        patch.setattr(HeldWorks, "take_due", lambda works: [])
        site.parallel()
        site.publish(command)
        assert await asyncio.to_thread(is_held.wait, 10)
        site.stopping.set()
        await asyncio.to_thread(site.threads.pop().join, 20)
    assert command.number not in site.answers()
    site.stopping.clear()
    site.parallel()
    assert (await site.answered(command))[0]["user"]["name"] == "Ann"


class _LossyBus:
    """Every worker's end of the bus: how often each connected, and a way to lose a connection."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.connects = 0
        self.is_back = threading.Event()
        self._end: MemoryWorkerBus | None = None
        connect = MemoryWorkerBus.connect

        def counted(end: MemoryWorkerBus) -> None:
            connect(end)
            self.connects += 1
            if self.connects > 1:
                self.is_back.set()
            self._end = end

        monkeypatch.setattr(MemoryWorkerBus, "connect", counted)

    def lose(self) -> None:
        assert self._end is not None
        with self._end._bus.lock:
            self._end._leave()


async def test_a_kept_publish_failure_of_a_former_connection_does_not_end_the_next_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The broker is lost while a batch is published beside the INSERT of the next, which fails, too: the worker begins
    anew once, and not again because of what it had kept."""
    bus, insert, inserts = _LossyBus(monkeypatch), messages.insert, iter(range(1, 1000))
    kept: list[BaseException | None] = []

    def insert_and_lose(tx: Transaction, rows: Any) -> None:
        is_second = next(inserts) == 2
        if is_second:
            bus.lose()
        insert(tx, rows)
        if is_second:
            worker._overlapped()  # as MariaDB's connection calls it
            kept.append(worker._overlapped._failure)
            raise Contention("a lock")

    monkeypatch.setattr(messages, "insert", insert_and_lose)
    commands = [site.send(f"{number}") for number in range(BUSY_COMMANDS + 3)]
    for part in (commands[:1], commands[1:2], commands[2:]):
        site.publish(*part)
    worker = site.ordered(max_commands=1)
    answers = await site.answered(*commands)
    assert [answer["seq"] for answer in answers] == list(range(1, len(commands) + 1))
    assert [type(failure) for failure in kept] == [BusLost]
    assert bus.connects == 2


async def test_what_a_pool_finishes_for_a_former_connection_does_not_end_the_next_one(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is redelivered, and answered by who has it now: once, and not acked for the former."""
    bus, by_cids = _LossyBus(monkeypatch), messages.by_cids
    is_begun, go_on = threading.Event(), threading.Event()

    def slow(tx: Transaction, pairs: Any) -> Any:
        is_first = not is_begun.is_set()
        is_begun.set()
        if is_first:
            go_on.wait(10)
        return by_cids(tx, pairs)

    monkeypatch.setattr(messages, "by_cids", slow)
    command = site.command("user.update", {"name": "Ann", "cid": "c"})
    site.parallel()
    site.publish(command)
    assert await asyncio.to_thread(is_begun.wait, 10)
    bus.lose()
    assert await asyncio.to_thread(bus.is_back.wait, 10)
    go_on.set()
    answers = [await site.answered(command), await site.ask(site.command("user.get", {"ids": ["ann"]}))]
    assert answers[0][0]["user"]["name"] == answers[1][0]["users"][0]["name"] == "Ann"
    assert bus.connects == 2


async def test_a_redelivered_command_whose_cid_the_gateway_gave_is_answered_as_if_once(site: Site) -> None:
    """Its worker died behind its COMMIT: nobody knows the first answer, and the second is the same."""
    account = {"username": "eve", "password": "correct horse"}
    site.parallel()
    (registered,) = await site.ask(site.command("account.register", {**account, "cid": "~e1.1"}, sender=""))
    commands = [
        site.command("account.register", {**account, "cid": "~e1.1"}, sender=""),
        site.command("account.login", {**account, "cid": "~e1.2"}, sender=""),
        site.command("token.refresh", {"refresh": registered["refresh"], "cid": "~e1.3"}, sender=""),
    ]
    first = await site.ask(*commands)
    site.stopping.set()
    await asyncio.to_thread(site.threads.pop().join, 20)
    site.stopping.clear()
    site.gateway.bodies.clear()
    site.publish(*commands)
    site.take_and_drop(PARALLEL)
    site.parallel()
    again = await site.answered(*commands)
    assert first[0] == registered and again[:2] == first[:2]
    assert again[2]["refresh"] == first[2]["refresh"]
