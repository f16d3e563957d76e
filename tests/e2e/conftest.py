"""Each test of this package runs over both deployments, which are started once.

What a client does is tested over every door: in standalone all of it, in the cluster the modules of `CORE`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from scripts.chat_doors import DOORS
from tests.client import Client, Socket
from tests.deployments import ClusterDeployment, Deployment, StandaloneDeployment, User

HERE = Path(__file__).parent
# What is different in a cluster does not depend on the door; these show that it does not.
CORE = ("test_talk.py", "test_groups.py", "test_retries.py")

NewUser = Callable[..., User]
NewClient = Callable[..., Awaitable[Client]]
NewSocket = Callable[..., Awaitable[Socket]]


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out the other doors of the cluster, but for the core."""
    left_out = [item for item in items if _is_left_out(item)]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


def _is_left_out(item: pytest.Item) -> bool:
    chosen: dict[str, object] = getattr(getattr(item, "callspec", None), "params", {})
    is_other_door = chosen.get("deployment") == "cluster" and chosen.get("door", "ws") != "ws"
    return is_other_door and item.path.parent == HERE and item.path.name not in CORE


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


@pytest.fixture(params=DOORS)
def door(request: pytest.FixtureRequest) -> str:
    """By which the clients of the test come in."""
    chosen: str = request.param
    return chosen


@pytest.fixture
async def new_client(deployment: Deployment, door: str) -> AsyncIterator[NewClient]:
    """`await new_client(user, gateway=0)` -> a client that is in step; it goes offline when the test ends."""
    async with AsyncExitStack() as stack:

        async def start(user: User, gateway: int = 0, **options: Any) -> Client:
            client = Client(deployment.urls(door)[gateway], user.id, user.token, **options)
            return await stack.enter_async_context(client)

        yield start


@pytest.fixture
async def new_socket(deployment: Deployment, door: str) -> AsyncIterator[NewSocket]:
    """`await new_socket(user, gateway=0)` -> a bare socket, logged in; without a user, not."""
    async with AsyncExitStack() as stack:

        async def start(user: User | None = None, gateway: int = 0, **options: Any) -> Socket:
            url = deployment.urls(door)[gateway]
            opening = Socket.open(url) if user is None else Socket.logged_in(url, user.token, **options)
            return await stack.enter_async_context(await opening)

        yield start
