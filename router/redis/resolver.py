"""A worker's end of the router in Redis, blocking (interface.Resolver).

Laws: one attempt of 100 ms, never a second; after a failure every call fails at once for half a second, so that a Redis
that stopped does not cost each batch of a worker its 100 ms. Whatever redis-py raises becomes RouterAway.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import redis
from redis.backoff import NoBackoff
from redis.maint_notifications import MaintNotificationsConfig
from redis.retry import Retry

from router.interface import GatewayLease, RouterAway
from router.redis import lua
from router.redis.address import RedisAddress, gateway_and_epoch
from router.redis.keys import WORKER_MS, Keys
from router.redis.records import read_lease

TIMEOUT_S = 0.1
REST_S = 0.5

T = TypeVar("T")


def _connect(address: RedisAddress) -> redis.Redis:
    """A client that connects at the first call and after each loss."""
    return redis.Redis(
        host=address.host,
        port=address.port,
        password=address.password or None,
        socket_timeout=TIMEOUT_S,
        socket_connect_timeout=TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
        decode_responses=True,
        protocol=2,
        max_connections=2,
        driver_info=None,
        maint_notifications_config=MaintNotificationsConfig(enabled=False),
    )


class RedisResolver:
    """Asks Redis for one thread at a time."""

    def __init__(self, address: RedisAddress, keys: Keys) -> None:
        self._name = f"{address.host}:{address.port}"
        self._keys = keys
        self._redis = _connect(address)
        self._reading: Any = self._redis.connection_pool.make_connection()
        self._lock = threading.Lock()
        self._away_until = 0.0
        self._forget: Any = self._redis.register_script(lua.FORGET)
        self._live_gateways: Any = self._redis.register_script(lua.LIVE_GATEWAYS)
        self._announce_worker: Any = self._redis.register_script(lua.ANNOUNCE_WORKER)
        self._live_workers: Any = self._redis.register_script(lua.LIVE_WORKERS)
        self._withdraw_worker: Any = self._redis.register_script(lua.WITHDRAW_WORKER)

    def __repr__(self) -> str:
        state = "away" if time.monotonic() < self._away_until else "asks"
        return f"RedisResolver({self._name} {state})"

    def gateways(self) -> list[GatewayLease]:
        """See interface.Resolver."""
        return [read_lease(text) for text in self._run(self._live_gateways)]

    def resolve(self, users: Iterable[str], groups: Iterable[str]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
        """See interface.Resolver: one MGET."""
        user_names, group_names = list(users), list(groups)
        names = self._keys.holders(user_names, group_names)
        if not names:
            return {}, {}
        lists: Any = self._ask(lambda: self._get_all(names))
        return _present(user_names, lists), _present(group_names, lists[len(user_names) :])

    def forget(self, users: Iterable[str], groups: Iterable[str], address: str) -> None:
        """See interface.Resolver. Spares a gateway that turns out to live."""
        names = [*map(self._keys.user, users), *map(self._keys.group, groups)]
        if names:
            self._run(self._forget, address, *gateway_and_epoch(address), *names)

    def announce_worker(self, worker: str, epoch: str) -> None:
        """See interface.Resolver."""
        self._run(self._announce_worker, worker, epoch, WORKER_MS)

    def workers(self) -> list[str]:
        """See interface.Resolver."""
        return sorted(self._run(self._live_workers))

    def withdraw_worker(self, worker: str, epoch: str) -> None:
        """See interface.Resolver."""
        self._run(self._withdraw_worker, worker, epoch)

    def close(self) -> None:
        """Close the connections; a later call would open them again."""
        self._reading.disconnect()
        self._redis.close()

    def _run(self, script: Any, *arguments: str | int) -> Any:
        """A script of lua.py, which all begin their arguments with the prefix."""
        return self._ask(lambda: script(args=[self._keys.prefix, *arguments]))

    def _get_all(self, names: list[str]) -> Any:
        """MGET over a connection itself, which connects when it has to: the client around it costs three times as much,
        and this is asked for every batch."""
        self._reading.send_command("MGET", *names)
        return self._reading.read_response()

    def _ask(self, question: Callable[[], T]) -> T:
        with self._lock:
            if time.monotonic() < self._away_until:
                raise RouterAway("the router did not answer a moment ago")
            try:
                return question()
            except (redis.RedisError, OSError) as error:
                self._away_until = time.monotonic() + REST_S
                raise RouterAway(f"{type(error).__name__}: {error}") from None


def _present(names: Sequence[str], lists: Sequence[str | None]) -> dict[str, list[str]]:
    return {name: held.split() for name, held in zip(names, lists, strict=False) if held}
