"""Each test of this package runs over both deployments, which are started once."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from typing import Any

import pytest

from tests.client import Client, Socket
from tests.deployments import ClusterDeployment, Deployment, StandaloneDeployment, User

NewUser = Callable[..., User]
NewClient = Callable[..., Awaitable[Client]]
NewSocket = Callable[..., Awaitable[Socket]]


@pytest.fixture(scope="package", params=["standalone", "cluster"])
def deployment(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """The running system."""
    var = tmp_path_factory.mktemp(request.param)
    made: Deployment
    if request.param == "standalone":
        made = StandaloneDeployment(var)
    else:
        made = ClusterDeployment(var, request.getfixturevalue("servers"))
    try:
        made.start()
        yield made
    finally:
        made.close()
    assert "Traceback" not in made.logs()


@pytest.fixture
def new_user(deployment: Deployment) -> NewUser:
    """`new_user(prefix)` -> User(id, token)."""
    return deployment.new_user


@pytest.fixture
async def new_client(deployment: Deployment) -> AsyncIterator[NewClient]:
    """`await new_client(user, gateway=0)` -> a client that is in step; it goes offline when the test ends."""
    async with AsyncExitStack() as stack:

        async def start(user: User, gateway: int = 0, **options: Any) -> Client:
            client = Client(deployment.gateway_urls[gateway], user.id, user.token, **options)
            return await stack.enter_async_context(client)

        yield start


@pytest.fixture
async def new_socket(deployment: Deployment) -> AsyncIterator[NewSocket]:
    """`await new_socket(user, gateway=0)` -> a bare socket, logged in; without a user, not."""
    async with AsyncExitStack() as stack:

        async def start(user: User | None = None, gateway: int = 0, **options: Any) -> Socket:
            url = deployment.gateway_urls[gateway]
            opening = Socket.open(url) if user is None else Socket.logged_in(url, user.token, **options)
            return await stack.enter_async_context(await opening)

        yield start
