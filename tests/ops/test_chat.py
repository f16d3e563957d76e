"""scripts/chat.sh when things go wrong: outages, people who do not exist yet, ports that are no gateway's."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
from hongyan import connection, doors
from hongyan.doors import DOORS

from ops.chat.__main__ import main
from protocol.ids import private_conversation
from tests.client import Client
from tests.deployments import StandaloneDeployment, User
from tests.person import Person
from tests.proxy import Proxy

pytestmark = pytest.mark.slow

Sit = Callable[..., Awaitable[Person]]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandaloneDeployment]:
    with StandaloneDeployment(tmp_path_factory.mktemp("chat")).running() as made:
        yield made


@pytest.fixture
def proxy(running: StandaloneDeployment) -> Iterator[Proxy]:
    """Between chat.sh and the gateway."""
    with Proxy("127.0.0.1", running.ports[0]) as made:
        yield made


@pytest.fixture
async def sit(running: StandaloneDeployment, proxy: Proxy) -> AsyncIterator[Sit]:
    """`await sit(user, *options)` -> a person at chat.sh."""
    people: list[Person] = []

    async def start(user: str, *options: str) -> Person:
        people.append(await Person.sit(user, "--port", str(proxy.port), *options, config=running.config))
        return people[-1]

    yield start
    for person in people:
        await person.gone()


@pytest.fixture
async def bob(running: StandaloneDeployment) -> AsyncIterator[Client]:
    """Somebody to talk to, who is there all the time."""
    user = running.new_user("bob")
    async with Client(running.urls("ws")[0], user.id, user.token) as client:
        yield client


@pytest.fixture
def alice(running: StandaloneDeployment) -> User:
    return running.new_user("alice")


async def talking(sit: Sit, alice: User, bob: Client) -> tuple[Person, str]:
    """Alice at chat.sh, talking to Bob; and their conversation."""
    person = await sit(alice.id, "--to", bob.seen.user)
    await person.sees(f"-- to {bob.seen.user}")
    return person, private_conversation(alice.id, bob.seen.user)


async def test_what_was_typed_in_an_outage_comes_in_its_order_and_to_whom_it_was_said(
    running: StandaloneDeployment, sit: Sit, proxy: Proxy, alice: User, bob: Client
) -> None:
    carol = running.new_user("carol")
    async with Client(running.urls("ws")[0], carol.id, carol.token) as at_carol:
        person, conversation = await talking(sit, alice, bob)
        proxy.refuse()
        await person.sees("trying again")
        lines = [f"line {number}" for number in range(20)]
        await person.type(*lines, f"/to {carol.id}", "to carol")
        await person.sees(f"-- to {carol.id}")
        proxy.restore()
        await bob.texts(conversation, *lines)
        await at_carol.texts(private_conversation(alice.id, carol.id), "to carol")
        assert await person.leaves() == 0


async def test_without_a_group_that_can_be_asked_for_nothing_is_sent(
    sit: Sit, proxy: Proxy, alice: User, bob: Client
) -> None:
    person, conversation = await talking(sit, alice, bob)
    proxy.refuse()
    await person.sees("trying again")
    await person.type("/group geese", "for the geese only")
    await person.sees("! first /to USER or /group ID")
    proxy.restore()
    await person.type(f"/to {bob.seen.user}", "for Bob")
    await bob.texts(conversation, "for Bob")
    assert await person.leaves() == 0


async def test_quit_in_an_outage_waits_for_what_was_typed(sit: Sit, proxy: Proxy, alice: User, bob: Client) -> None:
    person, conversation = await talking(sit, alice, bob)
    proxy.refuse()
    await person.sees("trying again")
    await person.type("one", "two", "/quit")
    await person.sees("-- waiting for 2 lines to be sent")
    proxy.restore()
    assert await person.ended() == 0
    await bob.texts(conversation, "one", "two")
    assert "not sent" not in person.screen


async def test_who_does_not_wait_is_told_how_much_was_not_sent(
    sit: Sit, proxy: Proxy, alice: User, bob: Client
) -> None:
    person, conversation = await talking(sit, alice, bob)
    await person.type("one")
    await person.sees(f"{alice.id}: one\n")  # it has its answer
    proxy.refuse()
    await person.sees("trying again")
    await person.type("two", "three", "/quit")
    await person.sees("-- waiting for 2 lines to be sent")
    assert await person.interrupts() == 1
    assert "! 2 lines not sent" in person.screen
    assert bob.spoken(conversation) == ["one"]


async def test_what_had_no_answer_is_told_apart_from_what_never_left(
    sit: Sit, proxy: Proxy, alice: User, bob: Client
) -> None:
    person, _ = await talking(sit, alice, bob)
    proxy.hold()
    await person.type("one", "two", "/quit")
    await person.sees("-- waiting for 2 lines to be sent")
    assert await person.interrupts() == 1
    assert "! 1 line not sent" in person.screen
    assert "! 1 line without an answer, perhaps not sent" in person.screen


async def test_what_is_said_to_nobody_waits_until_somebody_comes(sit: Sit, alice: User) -> None:
    bob = f"bob-of-{alice.id}"
    person = await sit(alice.id, "--to", bob)
    await person.sees(f"! there is no user '{bob}' yet")
    await person.type("one", "two", "three")
    at_bob = await sit(bob)
    await person.sees(f"-- {bob} is there now")
    for text in ("one", "two", "three"):
        await at_bob.sees(f"{alice.id}: {text}\n")
    assert await person.leaves() == 0
    assert "not sent" not in person.screen


async def test_what_is_said_to_nobody_is_not_given_up_without_a_word(sit: Sit, alice: User) -> None:
    person = await sit(alice.id, "--to", "nobody-at-all")
    await person.type("one", "two", "/quit")
    assert await person.ended() == 1
    assert "! 2 lines not sent 2 行未发送" in person.screen


# --- ports


class Stranger(socketserver.BaseRequestHandler):
    """A server that is no gateway: it says something of its own, or nothing."""

    greeting = b""

    def handle(self) -> None:
        self.request.sendall(self.greeting)
        while self.request.recv(4096):
            pass


@pytest.fixture(params=[b"", b"SSH-2.0-stranger\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]"])
def stranger(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of such a server."""
    handler = type("Handler", (Stranger,), {"greeting": request.param})
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads, server.block_on_close = True, False
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield server.server_address[1]
        server.shutdown()
        thread.join()


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """chat.sh within this process, which soon knows that nobody answers."""
    monkeypatch.setattr("ops.chat.__main__.configure_logs", lambda process, level: None)
    monkeypatch.setattr(connection, "ANSWER_S", 0.5)
    monkeypatch.setattr(doors, "CONNECT_S", 0.5)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("door", DOORS)
def test_a_port_that_is_no_gateways_is_said(
    running: StandaloneDeployment,
    stranger: int,
    door: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["alice", f"--{door}", "--port", str(stranger), "--config", str(running.config)]) == 1
    told = capsys.readouterr().err
    assert "is no gateway" in told
    assert str(stranger) in told


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize(("door", "other"), [("ws", "tcp"), ("poll", "tcp"), ("tcp", "ws")])
def test_a_gateways_other_port_is_said(
    running: StandaloneDeployment,
    door: str,
    other: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    port = running.tcp_ports[0] if other == "tcp" else running.ports[0]
    assert main(["alice", "--door", door, "--port", str(port), "--config", str(running.config)]) == 1
    assert "is no gateway" in capsys.readouterr().err
