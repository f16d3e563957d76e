"""The first frame and the life of a connection: login, heartbeat, silence (protocol.md sections 3 and 4)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import AsyncExitStack

import jwt
import pytest
from hongyan.doors import DOORS

from protocol.errors import RECONNECT
from protocol.tokens import AUDIENCE, ISSUER, TokenSigner
from tests.client import Socket
from tests.deployments import Deployment, ImpatientGateway
from tests.e2e.conftest import NewSocket, NewUser
from tests.http_calls import api


async def test_the_reply_to_a_login(deployment: Deployment, new_user: NewUser, new_socket: NewSocket) -> None:
    alice = new_user("alice")
    socket = await new_socket()
    data = {"token": alice.token, "terminal": "web", "device": "d1", "client": "h5/1.0"}
    answer = await socket.ask("login", data)
    assert answer["op"] == "reply"
    reply = answer["data"]
    assert reply["user"] == {"id": alice.id, "name": alice.id}
    assert reply["heartbeat"] == deployment.settings.gateway.heartbeat_s
    assert abs(reply["time"] - time.time() * 1000) < 60_000
    assert reply["session"]
    assert reply["epoch"]
    synced = await socket.ask("sync", {"cursors": {}})
    assert synced["data"]["epoch"] == reply["epoch"]


async def test_a_device_has_at_most_128_characters_over_every_door(
    deployment: Deployment, new_user: NewUser, new_socket: NewSocket
) -> None:
    alice = new_user("alice")
    for length, op in ((128, "reply"), (129, "error")):
        answer = await (await new_socket()).ask(
            "login", {"token": alice.token, "terminal": "web", "device": "d" * length}
        )
        assert answer["op"] == op
    assert answer["data"]["code"] == "bad_field"
    login = {"username": "nobody", "password": "correct horse", "device": "d" * 129}
    assert (await api(deployment.ports[0], "account.login", login)).code == "bad_field"


def forged(deployment: Deployment, user: str, **changes: object) -> dict[str, str]:
    """Tokens that are wrong in one way each."""
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": user, "sid": "s", "iat": now, "exp": now + 600}
    secret = deployment.settings.token.secret

    def token(secret: str = secret, algorithm: str = "HS256", **other: object) -> str:
        return jwt.encode({**claims, **other}, secret, algorithm)

    return {
        "rubbish": "rubbish",
        "other_secret": token("x" * 64),
        "other_algorithm": token(algorithm="HS512"),
        "no_algorithm": jwt.encode(claims, "", "none"),
        "other_audience": token(aud="others"),
        "other_issuer": token(iss="others"),
        "expired": token(iat=now - 1000, exp=now - 500),
        "no_such_session": token(),
        "user_as_number": token(sub=7),
        "10_KiB": token(more="x" * 10_000),
    }


async def test_wrong_tokens_are_refused_with_the_same_words(
    deployment: Deployment, door: str, new_user: NewUser
) -> None:
    alice, mallory = new_user("alice"), new_user("mallory")
    tokens = forged(deployment, alice.id)
    session = jwt.decode(mallory.token, options={"verify_signature": False})["sid"]
    signer = TokenSigner(deployment.settings.token.secret, 600)
    tokens["session_of_another"] = signer.issue(alice.id, session, "web", "", int(time.time() * 1000))[0]
    seen = set()
    for name, token in tokens.items():
        async with await Socket.open(deployment.urls(door)[0]) as socket:
            answer = await socket.login(token)
            assert (answer["op"], answer["data"]["code"]) == ("error", "unauthenticated"), name
            seen.add(str(answer["data"]))
            assert await socket.closed() == (4004, []), name
    assert len(seen) == 1


async def test_a_login_that_is_no_login_may_be_tried_again(new_user: NewUser, new_socket: NewSocket) -> None:
    alice = new_user("alice")
    socket = await new_socket()
    for data in ({}, {"token": alice.token}, {"token": 7, "terminal": "web"}, {"token": "x", "terminal": "fridge"}):
        answer = await socket.ask("login", data)
        assert (answer["op"], answer["data"]["code"]) == ("error", "bad_field")
    assert (await socket.login(alice.token))["op"] == "reply"


@pytest.mark.parametrize("door", ["ws", "tcp"], indirect=True)  # whoever polls has no session before the login
async def test_an_op_before_login_is_4003(new_socket: NewSocket) -> None:
    for op in ("user.get", "sync", "heartbeat", "no.such"):
        socket = await new_socket()
        await socket.write_frame(op, {"ids": ["a"]}, id="1")
        code, frames = await socket.closed()
        assert code == 4003
        assert [(f["op"], f["id"], f["data"]["code"]) for f in frames] == [("error", "1", "unauthenticated")]


async def test_a_second_login_is_refused_and_the_connection_kept(new_user: NewUser, new_socket: NewSocket) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    socket = await new_socket(alice)
    answer = await socket.login(bob.token)
    assert (answer["op"], answer["data"]["code"]) == ("error", "bad_field")
    update = await socket.ask("user.update", {"name": "still Alice"})
    assert update["data"]["user"]["id"] == alice.id


async def test_a_heartbeat_is_answered_with_the_time(door: str, new_user: NewUser, new_socket: NewSocket) -> None:
    socket = await new_socket(new_user("alice"))
    await socket.write('{"op":"heartbeat"}')
    answer = await socket.read()
    assert answer["op"] == "heartbeat"
    assert abs(answer["data"]["time"] - time.time() * 1000) < 60_000
    if door == "ws":
        await socket.ping()


async def still_there(socket: Socket) -> bool:
    return bool((await socket.ask("user.get", {"ids": ["x"]}))["op"] == "reply")


async def test_the_same_device_again_replaces_the_old_connection(new_user: NewUser, new_socket: NewSocket) -> None:
    alice = new_user("alice")
    old = await new_socket(alice, 0, device="d1")
    other = await new_socket(alice, 0, terminal="pc", device="d1")
    new = await new_socket(alice, 1, device="d1")
    assert await old.closed(within_s=3) == (4006, [])
    assert old.close_reason == "replaced"
    assert await still_there(other)
    assert await still_there(new)


async def test_another_device_at_the_same_terminal_replaces_it_and_says_so(
    deployment: Deployment, new_user: NewUser, new_socket: NewSocket
) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    at_bob = await new_socket(bob, 0, device="d1")
    old = await new_socket(alice, 0, device="d1")
    for port in deployment.ports:
        assert (await api(port, "user.get", {"ids": [alice.id]}, alice.token)).status == 200
    assert await still_there(old), "a call over HTTP replaces nobody"
    new = await new_socket(deployment.another_session(alice.id), 1, device="d2")
    code, frames = await old.closed(within_s=3)
    assert (code, old.close_reason) == (4006, "replaced")
    assert frames == [{"op": "kicked", "data": {"reason": "replaced"}}]
    back = await new_socket(alice, 0, device="d1")
    assert (await new.closed(within_s=3))[0] == 4006
    assert await still_there(back)
    assert await still_there(at_bob)


async def test_of_many_logins_at_once_exactly_one_is_left(deployment: Deployment, door: str, new_user: NewUser) -> None:
    alice, urls = new_user("alice"), deployment.urls(door)
    async with AsyncExitStack() as stack:
        sockets = [await stack.enter_async_context(await Socket.open(urls[number % 2])) for number in range(8)]
        logins = [socket.login(alice.token, device=f"d{number}") for number, socket in enumerate(sockets)]
        await asyncio.gather(*logins, return_exceptions=True)  # who is replaced at once may not see its reply
        waiting = {asyncio.create_task(socket.closed(within_s=30)): socket for socket in sockets}
        while len(waiting) > 1:
            done, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED, timeout=10)
            assert done, f"{len(waiting)} are left"
            for task in done:
                assert task.result()[0] == 4006
                del waiting[task]
        ((task, left),) = waiting.items()
        task.cancel()
        await asyncio.wait({task})
        assert await still_there(left)


async def test_the_handshake_is_refused_to_other_sites_and_to_tokens_in_the_address(
    deployment: Deployment, new_user: NewUser
) -> None:
    url = deployment.gateway_urls[0]
    own = url.removeprefix("ws://").removesuffix("/ws")
    for origin in ("https://evil.example", "null", f"http://{own}.evil.example", f"http://evil-{own}"):
        with pytest.raises(ConnectionError, match="403"):
            await Socket.open(url, additional_headers={"Origin": origin})
    with pytest.raises(ConnectionError, match="400"):
        await Socket.open(f"{url}?token={new_user('alice').token}")
    async with await Socket.open(url, additional_headers={"Origin": f"http://{own}"}) as socket:
        assert (await socket.login(new_user("alice").token))["op"] == "reply"


@pytest.fixture
def impatient(deployment: Deployment) -> Iterator[ImpatientGateway]:
    gateway = deployment.impatient_gateway()
    gateway.process.start()
    try:
        gateway.process.await_ready()
        yield gateway
    finally:
        gateway.process.stop()


@pytest.mark.direct("the gateway is one more, which nginx need not choose")
@pytest.mark.slow
async def test_silence_ends_a_connection_and_life_keeps_it(impatient: ImpatientGateway) -> None:
    """Who polls is never silent, and a WebSocket's client answers our ping by itself, as the browser of a hidden tab
    does; by TCP nothing does."""
    urls = impatient.urls
    async with AsyncExitStack() as stack:

        async def logged_in(door: str) -> Socket:
            return await stack.enter_async_context(await Socket.logged_in(urls[door], impatient.new_user(door).token))

        begun = time.monotonic()
        mute = [await stack.enter_async_context(await Socket.open(urls[door])) for door in ("ws", "tcp")]
        silent, hidden = [await logged_in("tcp")], await logged_in("ws")
        beating = [await logged_in(door) for door in DOORS]
        pinging = await logged_in("ws")
        gone = {socket: asyncio.create_task(socket.closed()) for socket in (*mute, *silent)}
        while not all(task.done() for task in gone.values()):
            for socket in beating:
                await socket.write('{"op":"heartbeat"}')
                assert (await socket.read())["op"] == "heartbeat"
            await pinging.ping()
            await asyncio.wait(gone.values(), timeout=0.3)
        assert [gone[socket].result() for socket in mute] == [(4001, [])] * 2
        assert [gone[socket].result() for socket in silent] == [(4009, [])]
        assert 4001 not in RECONNECT
        assert 4009 in RECONNECT
        assert 2.0 < time.monotonic() - begun < 10
        for socket in (*beating, pinging, hidden):
            assert await still_there(socket)
        await asyncio.to_thread(impatient.process.stop)
        for socket in (*beating, pinging):
            code, frames = await socket.closed()
            assert code == 1012
            assert [frame["op"] for frame in frames] == ["reconnect"]
            assert 0 <= frames[0]["data"]["after"] <= 10_000
