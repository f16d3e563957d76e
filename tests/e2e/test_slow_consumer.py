"""Who does not take what is pushed is sent away, and loses nothing: the store is the truth."""

from __future__ import annotations

import asyncio
import socket
from urllib.parse import urlsplit

from protocol.ids import private_conversation
from tests.client import Socket
from tests.deployments import Deployment
from tests.e2e.conftest import NewClient, NewUser
from tests.http_calls import get

MESSAGES_PER_S = 100
TEXT = "x" * 8000


async def _closes(port: int, code: int) -> int:
    """How many connections a gateway has closed with this code."""
    metrics = (await get(port, "/metrics")).body.decode()
    name = f'hongyan_closes_total{{code="{code}"}} '
    return sum(int(float(line.removeprefix(name))) for line in metrics.splitlines() if line.startswith(name))


async def _narrow_socket(url: str) -> Socket:
    """A connection whose kernel takes only a few kilobytes in advance."""
    address = urlsplit(url)
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.setblocking(False)
    await asyncio.get_running_loop().sock_connect(narrow, (address.hostname, address.port))
    return await Socket.open(url, sock=narrow, max_queue=1)


async def test_a_slow_consumer_is_closed_and_has_everything_after_a_sync(
    deployment: Deployment, new_user: NewUser, new_client: NewClient
) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    conversation = private_conversation(alice.id, bob.id)
    port = deployment.ports[0]
    before = await _closes(port, 4010)
    at_alice = await new_client(alice, 1)
    bobs_pc = await new_client(bob, 1, terminal="pc")
    async with await _narrow_socket(deployment.gateway_urls[0]) as stuck:
        assert (await stuck.login(bob.token))["op"] == "reply"
        texts: list[str] = []
        while await _closes(port, 4010) == before:
            assert len(texts) < 10 * MESSAGES_PER_S
            texts.append(f"{len(texts)} {TEXT}")
            await at_alice.say(conversation, texts[-1])
            await asyncio.sleep(1 / MESSAGES_PER_S)
        assert len(texts) * len(TEXT) < 1024 * 1024, "256 KiB here and what the two kernels hold"
        texts.append("what it missed")
        await at_alice.say(conversation, texts[-1])
        code, pushed = await stuck.closed()
        assert code == 4010
        assert 0 < len(pushed) < len(texts)
    await bobs_pc.texts(conversation, *texts)
    again = await new_client(bob, 0)
    await again.texts(conversation, *texts)
