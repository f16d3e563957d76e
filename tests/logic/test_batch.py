"""Batches that fail: another owner, a contended row, a lost connection, a command that nothing can carry out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from conf.sections import StoreSettings
from logic.caches import Caches
from logic.rules import Rules
from logic.workers.batch import BatchRunner, Held, Result
from logic.workers.poison import Poisoned
from logic.workers.retry import TRIES
from protocol import content
from store import meta
from store.database import Database
from store.errors import Contention, StoreError
from store.tables import messages
from tests.logic.road import PARTITIONS, Road, code, private, reply, send, work
from tests.private_servers import PrivateServers
from tests.store.commit_cutter import CommitCutter
from tests.store.engines import open_server
from tests.store.rows import message

AB, AC = private("ann", "bob"), private("ann", "cat")


@pytest.fixture(autouse=True)
def people(request: pytest.FixtureRequest) -> None:
    if "road" in request.fixturenames:
        request.getfixturevalue("road").people("ann", "bob", "cat")


def _seqs(results: list[Result]) -> list[int]:
    return [int(reply(result)["seq"]) for result in results]


def _stored(database: Database, conversation: str) -> list[int]:
    with database.reading() as tx:
        return [row.seq for row in messages.after(tx, conversation, 0, 1000)]


def test_the_key_refuses_what_an_owner_with_an_old_tail_writes(road: Road) -> None:
    late = road.another_owner()
    assert _seqs(late.run([send("bob", AB)])) == [1]
    road.write("ann", AB, 3)
    assert _seqs(late.run([send("bob", AB), send("bob", AC), send("bob", AB)][::2])) == [5, 6]
    assert _stored(road.database, AB) == [1, 2, 3, 4, 5, 6]


def test_a_batch_without_works_asks_the_store_nothing(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every command of it was refused when it was read; whatever the store says then must not end the worker."""

    def broken(*_: object) -> None:
        raise StoreError("out of order")

    monkeypatch.setattr(Database, "transaction", broken)
    assert road.run() == []


def test_a_cid_that_another_owner_wrote_is_found_when_the_key_refuses_it(road: Road) -> None:
    late = road.another_owner()
    late.run([send("ann", AC)])
    first = reply(road.run(send("ann", AB, cid="c"))[0])
    results = late.run([send("ann", AC), send("ann", AB, cid="c"), send("ann", AC)])
    assert reply(results[1]) == {**first, "duplicate": True}
    assert _seqs(results[::2]) == [2, 3]


def test_a_group_created_by_two_owners_is_one(road: Road) -> None:
    data = {"name": "x", "members": ["bob"], "cid": "c"}
    first, second = (owner.run([work("group.create", "ann", data)])[0] for owner in (road.runner, road.another_owner()))
    assert reply(first) == reply(second)


def _contended(monkeypatch: pytest.MonkeyPatch, conversation: str, times: int) -> list[list[str]]:
    """The first `times` inserts into `conversation` meet a lock. Returns what was tried: the conversations of each."""
    tried: list[list[str]] = []
    insert = messages.insert

    def unlucky(tx: Any, rows: Any) -> None:
        named = sorted({row.conversation for row in rows})
        tried.append(named)
        if conversation in named and sum(conversation in names for names in tried) <= times:
            raise Contention("a lock")
        insert(tx, rows)

    monkeypatch.setattr(messages, "insert", unlucky)
    return tried


def test_a_contention_that_passes_is_not_noticed(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    _contended(monkeypatch, AB, TRIES)
    assert _seqs(road.run(send("ann", AB), send("ann", AC), send("bob", AB))) == [1, 1, 2]


def test_only_the_disputed_conversation_waits(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = _contended(monkeypatch, AB, 1000)
    results = road.run(send("ann", AB), send("ann", AC), send("bob", AB))
    assert [code(result) for result in results] == ["busy", "ok", "busy"]
    assert tried[-1] == [AC] and len(tried) == (1 + TRIES) + (1 + TRIES) + 1
    monkeypatch.undo()
    assert _seqs(road.run(send("ann", AB))) == [1]


def test_a_failed_transaction_leaves_no_memory_of_itself(road: Road, monkeypatch: pytest.MonkeyPatch) -> None:
    _contended(monkeypatch, AB, 1000)
    road.run(send("ann", AB, cid="c"))
    monkeypatch.undo()
    assert reply(road.run(send("ann", AB, cid="c"))[0])["duplicate"] is False


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """A text that no worker survives the checking of."""
    check = content.check_body

    def checked(type_: str, body: dict[str, Any]) -> None:
        if body.get("text") == "poison":
            raise ZeroDivisionError
        check(type_, body)

    monkeypatch.setattr(content, "check_body", checked)


@pytest.mark.parametrize("place", [0, 8, 16])
@pytest.mark.usefixtures("poison")
def test_a_poisonous_command_fails_alone(road: Road, place: int) -> None:
    works = [send("ann", AB, "poison" if number == place else f"m{number}") for number in range(17)]
    results = road.run(*works)
    assert isinstance(results[place], Poisoned)
    assert code(results[place]) == "internal"
    others = [result for number, result in enumerate(results) if number != place]
    assert _seqs(others) == list(range(1, 17)) == _stored(road.database, AB)


@pytest.mark.usefixtures("poison")
def test_all_poisonous(road: Road) -> None:
    results = road.run(*(send("ann", AB, "poison") for _ in range(5)))
    assert all(isinstance(result, Poisoned) for result in results)
    assert _stored(road.database, AB) == []


@pytest.fixture(scope="module")
def settings(servers: PrivateServers) -> StoreSettings:
    """A database of MariaDB for the tests of what lies between it and the worker."""
    found = servers.fresh_database()
    database = open_server(found)
    meta.initialise(database, PARTITIONS)
    Road(database).people("ann", "bob", "cat")
    database.close()
    return found


class TestLostConnections:
    @pytest.fixture
    def cutter(self, settings: StoreSettings) -> Iterator[CommitCutter]:
        with CommitCutter(settings.host, settings.port) as cutter:
            yield cutter

    @pytest.fixture
    def runner(self, settings: StoreSettings, cutter: CommitCutter) -> Iterator[Callable[..., BatchRunner]]:
        opened: list[Database] = []

        def make(keep_alive: Callable[[], None] = lambda: None) -> BatchRunner:
            opened.append(open_server(settings, cutter.port))
            return BatchRunner(opened[-1], Caches(PARTITIONS), Rules(), keep_alive)

        yield make
        for database in opened:
            database.close()

    @pytest.mark.parametrize("cut", ["before", "after"])
    def test_a_lost_answer_to_commit_is_settled_by_the_cids(
        self, settings: StoreSettings, cutter: CommitCutter, runner: Callable[..., BatchRunner], cut: str
    ) -> None:
        conversation = f"p:ann:{'bob' if cut == 'before' else 'cat'}"
        one = runner()
        one.run([send("ann", conversation)])
        cutter.cut = cut
        results = one.run([send("ann", conversation), work("group.create", "ann", {"name": "x", "members": ["bob"]})])
        assert reply(results[0])["seq"] == 2
        assert reply(results[0])["duplicate"] is (cut == "after")
        assert code(results[1]) == "ok"
        assert not one.is_store_away
        database = open_server(settings)
        assert _stored(database, conversation) == [1, 2]
        database.close()

    def test_what_may_have_been_committed_is_held_while_the_store_is_away(
        self, cutter: CommitCutter, runner: Callable[..., BatchRunner]
    ) -> None:
        one = runner(keep_alive=lambda: cutter.__exit__(None, None, None))
        one.run([send("ann", "p:ann:ann")])
        cutter.cut = "after"
        results = one.run([send("ann", "p:ann:ann")])
        assert [type(result) for result in results] == [Held]
        assert one.is_store_away

    def test_what_may_have_been_committed_is_never_busy_whatever_goes_wrong_until_its_cid_was_looked_up(
        self,
        settings: StoreSettings,
        cutter: CommitCutter,
        runner: Callable[..., BatchRunner],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Stored, its COMMIT unanswered, and then locks: also when it is run again later, by itself or in a batch that
        is taken apart."""
        one, conversation = runner(), "p:bob:bob"
        lost, other = send("bob", conversation), send("bob", "p:bob:dan")

        def locked(*_: object) -> None:
            raise Contention("a lock")

        cutter.cut = "after"
        with monkeypatch.context() as patch:
            patch.setattr(messages, "by_cids", locked)
            first = one.run([lost])
            again = one.run([lost], look_up=True)
            among_others = one.run([lost, other], look_up=True)
        assert [type(result) for result in (first[0], again[0], among_others[0])] == [Held] * 3
        assert code(among_others[1]) == "busy", "of this one nothing was ever written"
        assert not one.is_store_away
        (found,) = one.run([lost], look_up=True)
        assert reply(found) == {**reply(found), "seq": 1, "duplicate": True}

    def test_an_absent_store_is_busy_and_only_redelivered_commands_are_held(self, settings: StoreSettings) -> None:
        with CommitCutter(settings.host, settings.port) as gone:
            pass
        one = BatchRunner(open_server(settings, gone.port), Caches(PARTITIONS), Rules(), lambda: None)
        fresh, again = one.run([send("ann", AB), send("ann", AB, redelivered=True)])
        assert code(fresh) == "busy"
        assert isinstance(again, Held)
        assert one.is_store_away

    @pytest.mark.slow
    def test_a_row_that_another_transaction_holds_is_waited_for(self, settings: StoreSettings) -> None:
        """A worker that hangs in a transaction delays its own conversation, until its rows are let go."""
        conversation = "p:bob:cat"
        hanging = open_server(settings)
        holding = hanging.transaction()
        tx = holding.__enter__()
        messages.insert(tx, [message(conversation, 1, "bob")])

        def let_go() -> None:
            if tx.connection_serial:
                holding.__exit__(KeyError, KeyError(), None)

        released: list[bool] = []
        database = open_server(settings)
        one = BatchRunner(
            database, Caches(PARTITIONS), Rules(), lambda: released.append(True) or let_go() if not released else None
        )
        assert _seqs(one.run([send("cat", conversation)])) == [1]
        assert released
        for each in (hanging, database):
            each.close()
