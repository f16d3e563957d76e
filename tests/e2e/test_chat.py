"""scripts/chat.sh as a person uses it: at a pipe, with another person at another gateway."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from ops.chat.__main__ import main
from tests.deployments import Deployment
from tests.e2e.conftest import NewUser
from tests.person import Person


@pytest.fixture(autouse=True)
def logs_of_this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """Called here, `main` would bind every logger of this process to a stream that closes with the test."""
    monkeypatch.setattr("ops.chat.__main__.configure_logs", lambda process, level: None)


Sit = Callable[..., Awaitable[Person]]


@pytest.fixture
async def sit(deployment: Deployment) -> AsyncIterator[Sit]:
    """`await sit(user, *options, gateway=0)` -> a person at chat.sh."""
    people: list[Person] = []

    async def start(user: str, *options: str, gateway: int = 0) -> Person:
        port = deployment.ports[gateway % len(deployment.ports)]
        people.append(await Person.sit(user, "--port", str(port), *options, config=deployment.config))
        return people[-1]

    yield start
    for person in people:
        await person.gone()


@pytest.fixture
def names(new_user: NewUser) -> list[str]:
    """Names that nobody has yet."""
    return [f"{new_user('pair').id}-{name}" for name in ("alice", "bob", "carol")]


@pytest.mark.slow
async def test_two_people_on_different_gateways(sit: Sit, names: list[str]) -> None:
    alice, bob = names[:2]
    at_bob, at_alice = await sit(bob, gateway=1), await sit(alice, gateway=0)
    await at_bob.sees(f"connected as {bob}")
    await at_alice.type(f"/to {bob}")
    await at_alice.sees(f"-- to {bob}")
    await at_alice.type("hello Bob, 你好")
    await at_bob.sees(f"{alice}: hello Bob, 你好")
    await at_bob.type(f"/to {alice}", "hello Alice")
    await at_alice.sees(f"{bob}: hello Alice")
    assert await at_alice.leaves() == 0
    await at_bob.type("are you there?", "/quit")
    assert await at_bob.ended() == 0
    again = await sit(alice, gateway=1)
    await again.sees("are you there?")
    await again.type(f"/to {bob}", "/history")
    await again.sees("hello Bob, 你好")
    assert await again.leaves() == 0
    # What was shown once is read.
    third = await sit(alice)
    await third.sees("connected")
    assert await third.leaves() == 0
    assert "are you there?" not in third.screen


@pytest.mark.slow
async def test_a_group(sit: Sit, names: list[str]) -> None:
    alice, bob, carol = names
    at_bob, at_alice = await sit(bob, gateway=1), await sit(alice)
    for person in (at_bob, at_alice):
        await person.sees("connected")
    await at_alice.type("/groups")
    await at_alice.sees("you are in no group")
    await at_alice.type(f"/create geese {bob}", "hello all")
    await at_alice.sees("made the group 建群成功")
    await at_bob.sees("hello all")
    await at_alice.type(f"/invite {carol}")
    await at_alice.sees("! there is nobody")
    at_carol = await sit(carol)
    await at_carol.sees("connected")
    await at_alice.type(f"/invite {carol}", "welcome Carol")
    await at_carol.sees("welcome Carol")
    await at_carol.type("/groups")
    await at_carol.sees("'geese' (3 members")
    group = at_carol.screen.split("/group ")[-1].split(" ")[0]
    await at_carol.type(f"/group {group}", "thank you")
    await at_bob.sees(f"{group}/{carol}: thank you")


@pytest.mark.slow
async def test_people_at_other_doors(sit: Sit, names: list[str], deployment: Deployment) -> None:
    alice, bob = names[:2]
    at_bob = await sit(bob, "--tcp", "--port", str(deployment.tcp_ports[-1]))
    at_alice = await sit(alice, "--poll", "--to", bob)
    await at_bob.sees(f"connected as {bob}")
    await at_bob.type(f"/to {alice}")
    await at_alice.type("hello")
    await at_bob.sees(f"{alice}: hello")
    await at_bob.type("hello yourself")
    await at_alice.sees(f"{bob}: hello yourself")
    for person in (at_alice, at_bob):
        assert await person.leaves() == 0


@pytest.mark.direct("it is about the terminal")
async def test_a_pipe_is_sent_to_its_end(sit: Sit, names: list[str]) -> None:
    alice, bob = names[:2]
    at_bob = await sit(bob)
    await at_bob.sees("connected")
    person = await sit(alice, "--to", bob)
    await person.type(*(f"line {number}" for number in range(50)))
    assert await person.leaves() == 0
    for number in range(50):
        await at_bob.sees(f"{alice}: line {number}\n")


@pytest.mark.direct("it is about the terminal")
async def test_mistakes_are_said_in_words(sit: Sit, names: list[str]) -> None:
    alice = names[0]
    person = await sit(alice)
    await person.type(
        "hello?", "/group nonesuch", "still nobody", "/dance", "/to", "/to a/b", "/invite x", "/create", "/help"
    )
    await person.sees("退出")
    assert await person.leaves() == 0
    assert person.screen.count("! first /to USER or /group ID") == 2
    assert person.screen.count("! /to USER") == 2
    assert "! there is nobody" in person.screen
    assert "no command /dance" in person.screen


@pytest.mark.parametrize(
    "words", [["a/b"], ["_system"], ["alice", "--to", "a b"], ["alice", "--to", "x", "--group", "y"], []]
)
def test_wrong_usage_is_2(words: list[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)


def test_nobody_listening_is_said(capsys: pytest.CaptureFixture[str], deployment: Deployment) -> None:
    assert main(["alice", "--port", "1", "--config", str(deployment.config)]) == 1
    assert "nobody listens on port 1" in capsys.readouterr().err
