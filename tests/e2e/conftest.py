"""Each test of this package runs over three deployments, which are started once: standalone, a cluster whose gateways
the clients choose, and that cluster through nginx, which chooses for them.

What a client does is tested over every door of every deployment. Marked `direct`, with the reason, and left out through
nginx is what nginx hides, what is about another gateway than those it sends to, and what is about chat.sh's terminal.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

import pytest
from hongyan.doors import DOORS

from tests.client import Client, Socket
from tests.deployments import ClusterDeployment, Deployment, StandaloneDeployment, User
from tests.private_servers import PrivateServers
from tests.through_door import ThroughDoor

# What a gateway holds, nginx knows from a lease that is renewed each 3 s, and what it has sent there since: where many
# came and went just before, it takes the gateway whose lease is older for the fuller one until that is renewed, too.
SPREAD_S = 10.0

NewUser = Callable[..., User]
NewClient = Callable[..., Awaitable[Client]]
NewSocket = Callable[..., Awaitable[Socket]]
T = TypeVar("T")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "direct(reason): it is not for nginx")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    left_out = [item for item in items if item.get_closest_marker("direct") and _goes_through_nginx(item)]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


def _goes_through_nginx(item: pytest.Item) -> bool:
    chosen: dict[str, object] = getattr(getattr(item, "callspec", None), "params", {})
    return chosen.get("deployment") == ThroughDoor.kind


@pytest.fixture(scope="package")
def cluster(servers: PrivateServers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ClusterDeployment]:
    with ClusterDeployment(tmp_path_factory.mktemp("cluster"), servers).running() as made:
        yield made
    assert "Traceback" not in made.logs()


@pytest.fixture(
    scope="package",
    params=[
        "standalone",
        pytest.param("cluster", marks=pytest.mark.servers),
        pytest.param("through", marks=pytest.mark.servers),
    ],
)
def deployment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The running system."""
    if request.param == "cluster":
        yield request.getfixturevalue("cluster")
        return
    made: Deployment
    if request.param == "standalone":
        made = StandaloneDeployment(tmp_path_factory.mktemp("standalone"))
    else:
        made = ThroughDoor(request.getfixturevalue("cluster"))
    with made.running():
        yield made
    assert "Traceback" not in made.logs()


@pytest.fixture
def new_user(deployment: Deployment) -> NewUser:
    """`new_user(prefix)` -> User(id, token)."""
    return deployment.new_user


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> str:
    """By which the clients of the test come in."""
    chosen: str = request.param
    return chosen


class Entrance:
    """Lets the clients of one test in by one door, and out again when the test ends.

    A gateway is named by a number. Where nginx chooses, whoever names another one than those before comes in again
    until both gateways hold connections.
    """

    def __init__(self, deployment: Deployment, door: str) -> None:
        self._deployment, self._door = deployment, door
        self._named: set[int] = set()
        self._stack = AsyncExitStack()

    def __repr__(self) -> str:
        return f"Entrance({self._deployment}, {self._door}, {self._named})"

    async def let_in(self, gateway: int, client_at: Callable[[str], AbstractAsyncContextManager[T]]) -> T:
        """`client_at(url)` is a client that comes in as its block begins."""
        self._named.add(gateway)
        until = time.monotonic() + SPREAD_S
        while time.monotonic() < until:
            visit = AsyncExitStack()
            client = await visit.enter_async_context(client_at(self._deployment.urls(self._door)[gateway]))
            if await self._is_elsewhere():
                self._stack.push_async_callback(visit.aclose)
                return client
            await visit.aclose()
        raise AssertionError(f"nginx sends everyone to one gateway for {SPREAD_S:.0f} s: {self}")

    async def close(self) -> None:
        await self._stack.aclose()

    async def _is_elsewhere(self) -> bool:
        if len(self._named) == 1 or not isinstance(self._deployment, ThroughDoor):
            return True
        return await asyncio.to_thread(self._deployment.is_spread, self._door)


@asynccontextmanager
async def socket_at(url: str, user: User | None, **options: Any) -> AsyncIterator[Socket]:
    """A bare socket, logged in; without a user, not."""
    opening = Socket.open(url) if user is None else Socket.logged_in(url, user.token, **options)
    async with await opening as socket:
        yield socket


@pytest.fixture
async def entrance(deployment: Deployment, door: str) -> AsyncIterator[Entrance]:
    made = Entrance(deployment, door)
    yield made
    await made.close()


@pytest.fixture
def new_client(entrance: Entrance) -> NewClient:
    """`await new_client(user, gateway=0)` -> a client that is in step; it goes offline when the test ends."""

    async def start(user: User, gateway: int = 0, **options: Any) -> Client:
        return await entrance.let_in(gateway, lambda url: Client(url, user.id, user.token, **options))

    return start


@pytest.fixture
def new_socket(entrance: Entrance) -> NewSocket:
    """`await new_socket(user, gateway=0)` -> a bare socket, logged in; without a user, not."""

    async def start(user: User | None = None, gateway: int = 0, **options: Any) -> Socket:
        return await entrance.let_in(gateway, lambda url: socket_at(url, user, **options))

    return start
