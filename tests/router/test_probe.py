"""A look at Redis: a refusal is told apart from a Redis that is not there yet."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from ops.processes import Process
from ops.programs import find_program
from router.redis.address import RedisAddress
from router.redis.probe import TIMEOUT_S, AccessRefused, serves
from tests.private_servers import PrivateServers, free_ports


@pytest.fixture
def open_redis(tmp_path: Path) -> Iterator[int]:
    """The port of a Redis without a password."""
    port = free_ports()["router"]
    words = [find_program("redis-server"), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(tmp_path)]
    address = RedisAddress("127.0.0.1", port)
    server = Process("open-redis", lambda: [*words, "--save", ""], tmp_path, lambda: serves(address))
    server.start()
    try:
        server.await_ready()
        yield port
    finally:
        server.stop()


def test_one_that_serves_does(redis_address: RedisAddress) -> None:
    assert serves(redis_address)


def test_a_wrong_password_is_refused(redis_address: RedisAddress, open_redis: int) -> None:
    for wrong in ("another", ""):
        with pytest.raises(AccessRefused):
            serves(dataclasses.replace(redis_address, password=wrong))
    with pytest.raises(AccessRefused):
        serves(dataclasses.replace(redis_address, port=open_redis))


def test_nobody_listens(redis_address: RedisAddress) -> None:
    assert serves(dataclasses.replace(redis_address, port=free_ports()["router"])) is False


def test_one_that_stands_still_is_given_up(servers: PrivateServers, redis_address: RedisAddress) -> None:
    servers.stop("redis")
    begun = time.monotonic()
    assert serves(redis_address) is False
    assert time.monotonic() - begun < 2 * TIMEOUT_S
