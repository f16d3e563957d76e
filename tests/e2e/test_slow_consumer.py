"""Who takes nothing of what is pushed is sent away, and loses nothing: the store is the truth. Who reads is never sent
away, however much comes at once."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

from hongyan.connection import Frame
from hongyan.http import HttpClient, Response
from hongyan.tcp import TcpChannel

from protocol.ids import private_conversation
from tests.client import WAIT_S, Socket
from tests.deployments import Deployment, User
from tests.e2e.conftest import NewClient, NewUser

MESSAGES_PER_S = 100
TEXT = "x" * 8000
KERNEL_BYTES = 4096
CLOSED = 'hongyan_closes_total{code="4010"}'
OK, GONE = 200, 410


class Stuck(Protocol):
    """A connection that takes nothing until it is asked how it ended: the close code and what came before."""

    def closed(self) -> Awaitable[tuple[int, list[Frame]]]: ...


async def _narrow(url: str) -> socket.socket:
    """A connection whose kernel takes only a few kilobytes in advance."""
    address = urlsplit(url)
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, KERNEL_BYTES)
    narrow.setblocking(False)
    await asyncio.get_running_loop().sock_connect(narrow, (address.hostname, address.port))
    return narrow


@asynccontextmanager
async def stuck_by_ws(url: str, user: User) -> AsyncIterator[Stuck]:
    async with await Socket.open(url, sock=await _narrow(url), max_queue=1) as stuck:
        assert (await stuck.login(user.token))["op"] == "reply"
        yield stuck


@asynccontextmanager
async def stuck_by_tcp(url: str, user: User) -> AsyncIterator[Stuck]:
    streams = await asyncio.open_connection(sock=await _narrow(url), limit=KERNEL_BYTES)
    async with Socket(TcpChannel(*streams)) as stuck:
        assert (await stuck.login(user.token))["op"] == "reply"
        yield stuck


class StuckPoll:
    """A session of long-poll that nobody polls; the gateway forgets what waits when it closes it."""

    def __init__(self, http: HttpClient, session: str) -> None:
        self._http, self._session = http, session

    async def closed(self) -> tuple[int, list[Frame]]:
        frames: list[Frame] = []
        cursor = 0
        while (answer := await self._polled(cursor)).status == OK:
            batch = json.loads(answer.body)
            frames += batch["frames"]
            cursor = batch["cursor"]
        assert answer.status == GONE
        return json.loads(answer.body)["error"]["close"], frames

    async def _polled(self, cursor: int) -> Response:
        async with asyncio.timeout(WAIT_S):
            return await self._http.request("GET", f"/poll/recv?session={self._session}&cursor={cursor}")


@asynccontextmanager
async def stuck_by_poll(url: str, user: User) -> AsyncIterator[Stuck]:
    address = urlsplit(url)
    http = HttpClient(address.hostname or "", address.port or 0, WAIT_S)
    login: dict[str, Any] = {"token": user.token, "terminal": "web", "device": "stuck"}
    opened = await http.request("POST", "/poll/open", json.dumps(login).encode())
    yield StuckPoll(http, json.loads(opened.body)["session"])
    await http.close()


STUCK: dict[str, Callable[[str, User], Any]] = {"ws": stuck_by_ws, "tcp": stuck_by_tcp, "poll": stuck_by_poll}


async def test_a_slow_consumer_is_closed_and_has_everything_after_a_sync(
    deployment: Deployment, door: str, new_user: NewUser, new_client: NewClient
) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    conversation = private_conversation(alice.id, bob.id)
    before = await asyncio.to_thread(deployment.count, CLOSED)
    at_alice = await new_client(alice, 1)
    bobs_pc = await new_client(bob, 1, terminal="pc")
    async with STUCK[door](deployment.url(door), bob) as stuck:
        texts: list[str] = []
        while await asyncio.to_thread(deployment.count, CLOSED) == before:
            assert len(texts) < 10 * MESSAGES_PER_S
            texts.append(f"{len(texts)} {TEXT}")
            await at_alice.say(conversation, texts[-1])
            await asyncio.sleep(1 / MESSAGES_PER_S)
        texts.append("what it missed")
        await at_alice.say(conversation, texts[-1])
        code, pushed = await stuck.closed()
        assert code == 4010
        assert len(pushed) < len(texts)
    await bobs_pc.texts(conversation, *texts)
    again = await new_client(bob, 0)
    await again.texts(conversation, *texts)


async def test_readers_of_a_group_are_not_closed_for_what_all_send_at_once(
    deployment: Deployment, new_user: NewUser, new_client: NewClient
) -> None:
    """Three or four bodies of 64 KB, written out as 243 KB each, closed every reading member with 4010."""
    members = [new_user("m") for _ in range(3)]
    clients = [await new_client(member, number % 2) for number, member in enumerate(members)]
    made = await clients[0].call("group.create", {"name": "g", "members": [member.id for member in members[1:]]})
    conversation = f"g:{made['group']['id']}"
    before = await asyncio.to_thread(deployment.count, CLOSED)
    body = {"x": [1e15] * 2800}  # 56 KB as Python writes it
    sends = [client.send(conversation, body, type="custom") for client in clients for _ in range(5)]
    await asyncio.gather(*sends)
    for client in clients:
        await client.until(lambda client=client: len(client.seqs(conversation)) == 1 + len(sends))  # type: ignore[misc]
        assert client.seqs(conversation) == list(range(1, 2 + len(sends)))
        assert client.seen.losses == []
    assert await asyncio.to_thread(deployment.count, CLOSED) == before
