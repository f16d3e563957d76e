"""The drill: write, back up, write more, restore, go on. Every client ends with what the store has, by every door, over
standalone and a cluster; none believes a number of before."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from hongyan.doors import DOORS

from bus import queues
from logic.delivery.emitter import command_of
from protocol import codec
from protocol.ids import private_conversation
from store import meta
from store.tables import cursors, messages
from store.tables.outbox import OutboxRow
from tests.bus_fabric import on_channel
from tests.client import Client
from tests.deployments import ClusterDeployment, Deployment, StandaloneDeployment, User
from tests.person import Person
from tests.private_servers import ROOT, PrivateServers

AWAY_S = 60.0
TABLES = ("users", "sessions", "messages", "cursors", "mentions", "chat_groups", "members", "friend_requests", "outbox")
ODD = 'it\'s \\ a "quote"; -- a\nline, \u0001, 鸿雁 🪿 %s {x}'

pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.direct("it restarts everything")]


@pytest.fixture(params=["standalone", pytest.param("cluster", marks=pytest.mark.servers)])
def system(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Deployment]:
    """A system of this test alone."""
    made: Deployment
    if request.param == "standalone":
        made = StandaloneDeployment(tmp_path)
    else:
        made = _cluster(tmp_path, request.getfixturevalue("servers"))
    with made.running():
        yield made
    assert "Traceback" not in made.logs()


def _cluster(var: Path, servers: PrivateServers) -> ClusterDeployment:
    """One whose servers are found where an operator's scripts look for them."""
    made = ClusterDeployment(var, servers)
    (var / "run").mkdir(exist_ok=True)
    files = ("mariadb.sock", "mariadb-client.cnf", "mariadb-administrator.cnf")
    for name in ("rabbitmq.pid", "epmd.pid", "redis.pid", "mariadb.pid", *files):
        (var / "run" / name).symlink_to(servers.settings.var.absolute() / "run" / name)
    return made


async def script(system: Deployment, verb: str, *words: str | Path) -> str:
    """One of the scripts, which must succeed; what it says."""
    environment = {**os.environ, "HONGYAN_CONFIG": str(system.config)}
    argv = [str(ROOT / "scripts" / f"{verb}.sh"), *map(str, words)]
    done = await asyncio.to_thread(
        subprocess.run, argv, check=False, env=environment, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@asynccontextmanager
async def put_back(system: Deployment, file: Path) -> AsyncIterator[None]:
    """Stop all of ours, restore, do what is within, start all again. Clients notice it by themselves."""
    await asyncio.to_thread(system.stop)
    forget_store(system)
    await script(system, "restore", file)
    yield
    await asyncio.to_thread(system.start)


def forget_store(system: Deployment) -> None:
    """The connection of the test's own, which has the former file open."""
    if system._database is not None:
        system._database.close()
        system._database = None


def stored(system: Deployment, conversation: str) -> list[tuple[int, str]]:
    """[(seq, body)] as the store has it, at most 100,000."""
    with system.database.reading() as tx:
        return [(row.seq, row.body) for row in messages.after(tx, conversation, 0, 100_000)]


def epoch(system: Deployment) -> str:
    with system.database.reading() as tx:
        return meta.epoch(tx)


def content(system: Deployment) -> dict[str, list[tuple[Any, ...]]]:
    """{table: its rows} of all that people have made."""
    with system.database.reading() as tx:
        return {table: sorted(tx.rows(f"SELECT * FROM {table}"), key=repr) for table in TABLES}


def had(client: Client, conversation: str) -> list[tuple[int, str]]:
    """[(seq, body)] as the client has it, from where its timeline begins."""
    timeline = client.seen.timelines[conversation]
    return [(message["seq"], codec.write(message["body"]).decode()) for message in timeline]


async def has_what_is_stored(system: Deployment, client: Client, conversation: str) -> None:
    """Until the client has all that the store has behind the seq at which its timeline begins, and nothing else."""
    wanted = await asyncio.to_thread(stored, system, conversation)

    def has_all() -> bool:
        begins = client.seen.after.get(conversation, 0)
        return had(client, conversation) == [one for one in wanted if one[0] > begins]

    await client.until(has_all, AWAY_S)


async def test_every_client_ends_with_what_the_store_has(system: Deployment, tmp_path: Path) -> None:
    alice, bob, carol = (system.new_user(name) for name in ("alice", "bob", "carol"))
    conversation = private_conversation(alice.id, bob.id)
    file = tmp_path / "kept.zip"
    async with AsyncExitStack() as stack:

        async def enter(user: User, door: str, terminal: str) -> Client:
            client = Client(system.urls(door), user.id, user.token, terminal=terminal)
            return await stack.enter_async_context(client)

        terminals = dict(zip(DOORS, ("web", "pc", "mini"), strict=True))
        at_bob = {door: await enter(bob, door, terminal) for door, terminal in terminals.items()}
        at_alice, at_carol = await enter(alice, "ws", "web"), await enter(carol, "poll", "mini")
        group = (await at_alice.call("group.create", {"name": "geese", "members": [bob.id, carol.id]}))["group"]["id"]
        for number in range(5):
            await at_alice.say(conversation, f"kept {number}")
            await at_carol.say(f"g:{group}", f"kept {number}")
        await at_alice.send(f"g:{group}", {"text": ODD}, mentions=["all", bob.id])
        await at_alice.call("friend.request", {"user": carol.id, "text": ODD})
        await at_carol.until(lambda: bool(at_carol.seqs(f"s:{carol.id}")))
        before, kept = epoch(system), content(system)
        await script(system, "backup", file)
        for number in range(4):
            await at_alice.say(conversation, f"lost {number}")
            await at_carol.say(f"g:{group}", f"lost {number}")
        for client in at_bob.values():
            await client.until(lambda client=client: len(client.spoken(conversation)) == 9)  # type: ignore[misc]

        async with put_back(system, file):
            assert [body for _, body in stored(system, conversation)] == [f'{{"text":"kept {n}"}}' for n in range(5)]
            assert epoch(system) != before
            assert content(system) == kept
        everyone = [at_alice, at_carol, *at_bob.values()]
        for client in everyone:
            await client.until(lambda client=client: client.seen.restores == 1, AWAY_S)  # type: ignore[misc]
            await client.in_step(AWAY_S)
        # Numbers 6 and 7 are given out again, to other messages.
        assert (await at_alice.say(conversation, "new 0", cid="new"))["seq"] == 6
        assert (await at_bob["tcp"].say(conversation, "new 1"))["seq"] == 7
        await at_alice.say(f"g:{group}", "new 2")
        for client in everyone:
            names = [f"g:{group}"] if client is at_carol else [conversation, f"g:{group}"]
            for name in names:
                await has_what_is_stored(system, client, name)
        assert all(client.seen.restores == 1 for client in everyone)
        # Whoever was away all the time is told by its login, and has the same.
        late = await enter(carol, "ws", "pc")
        await has_what_is_stored(system, late, f"g:{group}")


async def test_what_had_no_answer_is_sent_and_what_had_one_is_lost(system: Deployment, tmp_path: Path) -> None:
    alice, bob = system.new_user("alice"), system.new_user("bob")
    conversation = private_conversation(alice.id, bob.id)
    file = tmp_path / "kept.zip"
    async with Client(system.urls("ws"), alice.id, alice.token) as at_alice:
        first = await at_alice.say(conversation, "in the backup", cid="first")
        await script(system, "backup", file)
        await at_alice.say(conversation, "acknowledged, and lost", cid="lost")
        async with put_back(system, file):
            unanswered = asyncio.ensure_future(at_alice.say(conversation, "without an answer", cid="unanswered"))
        assert (await asyncio.wait_for(unanswered, AWAY_S))["seq"] == 2
        again = {"conversation": conversation, "cid": "first", "type": "text", "body": {"text": "in the backup"}}
        answer = await at_alice.call("message.send", again)
        assert (answer["seq"], answer["time"], answer["duplicate"]) == (first["seq"], first["time"], True)
        said = [body for _, body in stored(system, conversation)]
        assert said == ['{"text":"in the backup"}', '{"text":"without an answer"}']
        await has_what_is_stored(system, at_alice, conversation)


async def test_chat_sh_says_that_the_server_was_restored(system: Deployment, tmp_path: Path) -> None:
    alice, bob = system.new_user("alice"), system.new_user("bob")
    file = tmp_path / "kept.zip"
    person = await Person.sit(alice.id, "--to", bob.id, "--port", str(system.ports[0]), config=system.config)
    await person.sees(f"-- to {bob.id}")
    await script(system, "backup", file)
    async with put_back(system, file):
        pass
    # Its session was there before; what it says goes on.
    await person.sees("the server was restored from a backup")
    await person.type("hello again")
    async with Client(system.urls("ws"), bob.id, bob.token) as at_bob:
        await at_bob.until(lambda: at_bob.spoken(private_conversation(alice.id, bob.id)) == ["hello again"], AWAY_S)
    assert await person.leaves() == 0


@pytest.mark.servers
async def test_commands_that_waited_do_not_meet_a_store_that_never_knew_them(
    tmp_path: Path, servers: PrivateServers
) -> None:
    """A notice that a lost write has emitted waits in RabbitMQ; nobody gets it after the restore."""
    system = _cluster(tmp_path, servers)
    with system.running():
        alice = system.new_user("alice")
        file = tmp_path / "kept.zip"
        await script(system, "backup", file)
        await asyncio.to_thread(system.stop)
        data = {"conversation": f"s:{alice.id}", "cid": "~c", "body": {"event": "of a lost write"}}
        command = command_of(OutboxRow("_system", "~c", "notice.append", f"s:{alice.id}", codec.write(data).decode()))
        queue = queues.ordered(0)
        body = codec.write_struct(command)
        bus = system.settings.bus
        await asyncio.to_thread(on_channel, bus, lambda channel: channel.basic_publish("", queue, body))
        async with put_back(system, file):
            left = await asyncio.to_thread(
                on_channel, bus, lambda channel: channel.queue_declare(queue, passive=True).method.message_count
            )
            assert left == 0
        assert stored(system, f"s:{alice.id}") == []


@pytest.mark.servers
async def test_a_worker_elsewhere_keeps_a_restore_from_its_queues(tmp_path: Path, servers: PrivateServers) -> None:
    """It has no pid file here; RabbitMQ knows of it."""
    system = _cluster(tmp_path, servers)
    with system.running():
        file = tmp_path / "kept.zip"
        await script(system, "backup", file)
        before = epoch(system)
        hidden = tmp_path / "elsewhere"
        hidden.mkdir()
        for process in system.processes:
            process.pid_file.rename(hidden / process.pid_file.name)
        argv = [str(ROOT / "scripts" / "restore.sh"), str(file)]
        environment = {**os.environ, "HONGYAN_CONFIG": str(system.config)}
        done = await asyncio.to_thread(subprocess.run, argv, env=environment, capture_output=True, text=True)
        for process in system.processes:
            (hidden / process.pid_file.name).rename(process.pid_file)
        assert done.returncode == 1
        assert "a worker takes commands from the queue" in done.stderr
        assert epoch(system) == before


async def test_a_backup_under_load_is_of_one_moment(system: Deployment, tmp_path: Path) -> None:
    """What one has sent counts as read, in the same transaction: no backup has the message without the mark."""
    alice, bob = system.new_user("alice"), system.new_user("bob")
    conversation = private_conversation(alice.id, bob.id)
    file, is_over = tmp_path / "kept.zip", asyncio.Event()
    async with Client(system.urls("ws"), alice.id, alice.token) as at_alice:

        async def talk() -> int:
            number = 0
            while not is_over.is_set():
                number = (await at_alice.say(conversation, "on and on"))["seq"]
            return number

        talking = asyncio.create_task(talk())
        await at_alice.until(lambda: len(at_alice.seqs(conversation)) > 50)
        await script(system, "backup", file)
        is_over.set()
        said = await talking
        async with put_back(system, file):
            seqs = [seq for seq, _ in stored(system, conversation)]
            assert seqs == list(range(1, len(seqs) + 1))
            assert 50 < len(seqs) < said
            with system.database.reading() as tx:
                (read_seq, _) = cursors.get(tx, [(alice.id, conversation)])[alice.id, conversation]
            assert read_seq == len(seqs)
        await at_alice.until(lambda: at_alice.seen.restores == 1, AWAY_S)
        await has_what_is_stored(system, at_alice, conversation)
