"""nginx before stub gateways; a package has one nginx, which each test starts anew."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from itertools import repeat

import pytest

from tests.nginx.door import Door, open_door, until
from tests.nginx.stub_gateway import StubGateway

NewGateways = Callable[..., Awaitable[list[StubGateway]]]


@pytest.fixture(scope="module")
def shared_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    with open_door(tmp_path_factory.mktemp("door")) as door:
        yield door


@pytest.fixture
def door(shared_door: Door) -> Iterator[Door]:
    """A door that knows no gateway yet."""
    if shared_door.redis_server.pid is None:
        shared_door.start_redis()
    shared_door.redis("FLUSHALL")
    shared_door.listen()
    shared_door.restart()
    yield shared_door
    assert "[error]" not in shared_door.said()


@pytest.fixture
async def new_gateways(door: Door) -> AsyncIterator[NewGateways]:
    """`await new_gateways("a", "b")` -> stubs that nginx knows, and has sent nobody to; `connections` is what their
    leases say."""
    async with AsyncExitStack() as stack:

        async def start(*names: str, connections: Sequence[int] = ()) -> list[StubGateway]:
            gateways = [await stack.enter_async_context(StubGateway(door, name)) for name in names]
            for gateway, count in zip(gateways, connections or repeat(0), strict=False):
                gateway.announce(connections=count)
            await asyncio.to_thread(door.restart)  # it asks Redis as it starts, and then each second
            await until(lambda: all(f"gateway {name} is up" in door.said() for name in names))
            return gateways

        yield start
