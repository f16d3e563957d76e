"""A part of this test run's Redis: empty, awake and alone."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest
import redis

from router.redis.address import RedisAddress
from router.redis.keys import Keys
from router.redis.registrar import RedisRegistrar
from router.redis.resolver import RedisResolver
from tests.private_servers import PrivateServers
from tests.router.gateways import Gateway

NewGateway = Callable[..., Awaitable[Gateway]]


@pytest.fixture
def redis_address(servers: PrivateServers) -> Iterator[RedisAddress]:
    """Where Redis is; whatever a test did to it is undone."""
    servers.up()
    yield servers.redis_address
    servers.up()


@pytest.fixture
def keys(servers: PrivateServers) -> Keys:
    """Those of a prefix that nobody used before."""
    return Keys(servers.fresh_router().prefix)


@pytest.fixture
def resolver(redis_address: RedisAddress, keys: Keys) -> Iterator[RedisResolver]:
    resolver = RedisResolver(redis_address, keys)
    yield resolver
    resolver.close()


@pytest.fixture
async def new_gateway(redis_address: RedisAddress, keys: Keys) -> AsyncIterator[NewGateway]:
    """Starts gateways that are closed when the test ends."""
    gateways: list[Gateway] = []

    async def start(gateway_id: str = "g1", epoch: str = "e1") -> Gateway:
        gateways.append(Gateway(RedisRegistrar(redis_address, keys), gateway_id, epoch))
        return await gateways[-1].start()

    yield start
    for gateway in gateways:
        await gateway.registrar.close()


@pytest.fixture
def client(redis_address: RedisAddress) -> Iterator[redis.Redis]:
    """An operator's own connection."""
    address = redis_address
    client = redis.Redis(host=address.host, port=address.port, password=address.password, decode_responses=True)
    yield client
    client.close()
