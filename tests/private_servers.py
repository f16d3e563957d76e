"""The private servers of one test run, and where they live.

Law: each run has a directory and ports of its own under var/test, so that several runs go on at once in one checkout.
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator
from pathlib import Path

import msgspec
import redis

from conf.sections import BusSettings, RouterSettings, StoreSettings
from conf.settings import Settings, load
from ops import run_directory
from ops.processes import Process
from ops.servers.mariadb import create_database
from ops.servers.rabbitmq import evaluate
from ops.servers.servers import Servers
from router.redis.address import RedisAddress

ROOT = Path(__file__).resolve().parent.parent
RUNS = ROOT / "var" / "test"
PLACES = {
    "bus": 0,
    "router": 1,
    "store": 2,
    "metrics": 5,
    "gateway": 10,
    "tcp": 20,
    "nginx": 50,
    "nginx_tcp": 51,
    "operations": 52,
}
UNNAMED = (*range(6, 10), *range(11, 20), *range(21, 30), *range(95, 99))  # more workers, gateways, kinds of workers
CONFIGURATION = """\
mode = "cluster"
var = "{var}"
partitions = 4
[bus]
port = {bus}
[router]
port = {router}
[store]
port = {store}
[gateway]
port = {gateway}
messages_per_s = 1000000
message_burst = 1000000
slow_s = 1.0
[cluster]
first_gateway_port = {gateway}
first_gateway_tcp_port = {tcp}
first_metrics_port = {metrics}
[nginx]
port = {nginx}
tcp_port = {nginx_tcp}
"""


class PrivateServers:
    """RabbitMQ, Redis and MariaDB of this test run. `config` is the TOML file of `settings`, for processes."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.settings: Settings = load(config, {})
        self._servers = Servers(self.settings)
        self._numbers = itertools.count(1)

    def __repr__(self) -> str:
        return repr(self._servers)

    def process(self, name: str) -> Process:
        """The tracked process of rabbitmq, redis or mariadb: pid, port, state, log."""
        return self._servers.process(name)

    def up(self) -> None:
        """Start whatever does not run, wake whatever is stopped, and wait until all serve."""
        for name in ("rabbitmq", "redis", "mariadb"):
            if self.process(name).pid is not None:
                self.cont(name)
        self._servers.up()

    def start(self, name: str) -> None:
        """Start a killed server and wait until it serves."""
        self._servers.start(name)

    def kill(self, name: str) -> None:
        """SIGKILL; returns when it is gone."""
        self.process(name).kill()

    def stop(self, name: str) -> None:
        """SIGSTOP: its sockets stay open, nothing answers."""
        self.process(name).pause()

    def cont(self, name: str) -> None:
        """SIGCONT."""
        self.process(name).resume()

    def down(self) -> None:
        self._servers.down()

    def fresh_database(self) -> StoreSettings:
        """Settings of a new, empty database."""
        database = f"hongyan_test_{next(self._numbers)}"
        create_database(self.settings.store, self.settings.var, database)
        return msgspec.structs.replace(self.settings.store, database=database)

    def fresh_bus(self) -> BusSettings:
        """Settings of a new virtual host: no queue of another test is there."""
        host = f"test_{next(self._numbers)}"
        self.add_virtual_host(host)
        return msgspec.structs.replace(self.settings.bus, virtual_host=host)

    def add_virtual_host(self, host: str) -> None:
        """With all rights for our user."""
        user, everything = self.settings.bus.user, '<<".*">>'
        evaluate(
            self.settings.bus,
            self.settings.var,
            f'rabbit_vhost:add(<<"{host}">>, <<"test">>), rabbit_auth_backend_internal:set_permissions('
            f'<<"{user}">>, <<"{host}">>, {everything}, {everything}, {everything}, <<"test">>).',
        )

    def fresh_router(self) -> RouterSettings:
        """Settings of Redis with a new prefix: no key of another test is seen."""
        return msgspec.structs.replace(self.settings.router, prefix=f"test_{next(self._numbers)}")

    @property
    def redis_address(self) -> RedisAddress:
        router = self.settings.router
        return RedisAddress(router.host, router.port, router.password)

    def flush_redis(self) -> None:
        """Forget everything in Redis."""
        router = self.settings.router
        with redis.Redis(router.host, router.port, password=router.password) as client:
            client.flushall()


def free_ports() -> dict[str, int]:
    """Ports by name, in a block in which nobody listens."""
    return run_directory.free_ports(PLACES, UNNAMED)


@contextlib.contextmanager
def private_run(suffix: str = "") -> Iterator[PrivateServers]:
    """The servers of one test run, up; stopped and removed at the end. Another set of the same run has a suffix."""
    run_directory.remove_dead(RUNS, lambda config: PrivateServers(config).down())
    with run_directory.create(RUNS, CONFIGURATION, free_ports(), suffix) as config:
        private = PrivateServers(config)
        try:
            private.up()
            yield private
        finally:
            private.down()
