"""The system as it runs, for tests that use it from outside: standalone, or a cluster over the private servers."""

from __future__ import annotations

import itertools
import re
import shutil
import sys
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, Self

import redis
from hongyan.doors import DOORS, address

from conf.secrets import generate
from conf.settings import Settings, load
from logic.app import open_store
from ops.cluster.components import component_process, gateway_names, worker_names
from ops.probes import answers_http, metric
from ops.processes import Process
from ops.run_environment import our_environment
from ops.seed import seed_users
from router.redis.keys import Keys
from store import meta
from store.database import Database
from tests.private_servers import ROOT, PrivateServers, free_ports

READY_S = 45.0
IMPATIENT = {"login_timeout_s": "1", "heartbeat_s": "1"}

# Most tests are not about how fast one connection may send.
UNLIMITED = tuple((rf"^# {name} = .*$", f"{name} = 1000000") for name in ("messages_per_s", "message_burst"))
# Nor do they wait for long until a client that takes nothing is slow.
QUICK = ((r"^# slow_s = .*$", "slow_s = 1.0"),)

_numbers = itertools.count(1)


class User(NamedTuple):
    """A user with a session."""

    id: str
    token: str


class ImpatientGateway(NamedTuple):
    """A gateway that waits 1 s for a login, with a heartbeat of 1 s; where its doors are, and who may log in there."""

    process: Process
    urls: dict[str, str]
    new_user: Callable[[str], User]


class Deployment(ABC):
    """A running system. `ports` and `tcp_ports` are its gateways', `settings` what its processes read."""

    kind: str

    def __init__(self, config: Path) -> None:
        self.config = config
        self.settings: Settings = load(config, {})
        self.ports: list[int] = []
        self.tcp_ports: list[int] = []
        self.processes: list[Process] = []
        self._database: Database | None = None

    def __repr__(self) -> str:
        return f"{self.kind} deployment at {self.ports}"

    @property
    def gateway_urls(self) -> list[str]:
        """The WebSocket addresses of at least two gateways; where there is only one, it is named twice."""
        return self.urls("ws")

    def urls(self, door: str) -> list[str]:
        """The same for any of the doors."""
        urls = _addresses(door, self.ports, self.tcp_ports)
        return urls if len(urls) > 1 else urls * 2

    def url(self, door: str) -> str:
        """The first of them."""
        return self.urls(door)[0]

    @property
    def gateway_ports(self) -> list[int]:
        """Where the gateways answer /healthz, /readyz and /metrics."""
        return self.ports

    def count(self, name: str) -> int:
        """The sum of a `metric` over all gateways."""
        return sum(metric(port, name) for port in self.gateway_ports)

    def start(self) -> None:
        """Start all processes at once and wait until all serve."""
        for process in self.processes:
            process.start()
        for process in self.processes:
            process.await_ready(READY_S)

    def stop(self) -> None:
        """Stop all of ours, the last started first."""
        with ThreadPoolExecutor(len(self.processes)) as pool:
            list(pool.map(Process.stop, reversed(self.processes)))

    def restart(self) -> None:
        self.stop()
        self.start()

    @contextmanager
    def running(self) -> Iterator[Self]:
        """Started, and closed at the end."""
        try:
            self.start()
            yield self
        finally:
            self.close()

    def close(self) -> None:
        self.stop()
        if self._database is not None:
            self._database.close()

    @property
    def database(self) -> Database:
        """The store, for what only a test may do."""
        if self._database is None:
            self._database = open_store(self.settings, connections=1)
            meta.initialise(self._database, self.settings.partitions)
        return self._database

    def new_user(self, prefix: str = "user") -> User:
        """A user whom nobody knows yet, with a session."""
        (made,) = seed_users(self.settings, self.database, [f"{prefix}-{next(_numbers)}"]).items()
        return User(*made)

    def another_session(self, user: str) -> User:
        """The same user with one more session."""
        (made,) = seed_users(self.settings, self.database, [user]).items()
        return User(*made)

    def logs(self) -> str:
        """All that our processes have logged so far."""
        return "".join(process.log.read_text() for process in self.processes if process.log.exists())

    @abstractmethod
    def impatient_gateway(self) -> ImpatientGateway:
        """One more gateway, not started."""


def _addresses(door: str, ports: list[int], tcp_ports: list[int]) -> list[str]:
    return [address(door, "127.0.0.1", port) for port in (tcp_ports if door == "tcp" else ports)]


def _process(
    var: Path,
    name: str,
    words: list[str],
    port: int,
    tcp_port: int,
    environment: dict[str, str],
    operations_port: int | None = None,
) -> Process:
    ready: Callable[[], bool] = lambda: answers_http(f"http://127.0.0.1:{operations_port or port}/readyz")  # noqa: E731
    command = [sys.executable, *words, "--port", str(port), "--tcp-port", str(tcp_port)]
    return Process(name, lambda: command, var, ready, env={**our_environment(), **environment}, cwd=ROOT, port=port)


def _configuration(name: str, var: Path, *changes: tuple[str, str]) -> Path:
    """A file of conf/ with another var and other values, written into that var."""
    text = (ROOT / "conf" / name).read_text()
    for pattern, value in ((r"^var = .*$", f'var = "{var}"'), *changes):
        text, found = re.subn(pattern, value, text, flags=re.MULTILINE)
        assert found == 1, pattern
    (var / name).write_text(text)
    return var / name


class StandaloneDeployment(Deployment):
    """One process over a SQLite file below `var`. `gateway` are lines of its configuration, in that section."""

    kind = "standalone"

    def __init__(self, var: Path, gateway: str = "") -> None:
        generate(var)
        more = (r"^\[gateway\]$", f"[gateway]\n{gateway}")
        super().__init__(_configuration("standalone.toml", var, *UNLIMITED, *QUICK, more))
        free = free_ports()
        self.ports, self.tcp_ports = [free["gateway"]], [free["tcp"]]
        self.operations_port = free["operations"]
        words = ["standalone.py", "--config", str(self.config), "--operations-port", str(self.operations_port)]
        self.processes = [_process(var, "standalone", words, free["gateway"], free["tcp"], {}, self.operations_port)]

    @property
    def gateway_ports(self) -> list[int]:
        return [self.operations_port]

    def impatient_gateway(self) -> ImpatientGateway:
        """Of a system of its own: no other process may serve this store."""
        var = self.settings.var / f"impatient-{next(_numbers)}"
        var.mkdir()
        other = StandaloneDeployment(var, "\n".join(f"{name} = {value}" for name, value in IMPATIENT.items()))
        return ImpatientGateway(other.processes[0], {door: other.url(door) for door in DOORS}, other.new_user)


class ClusterDeployment(Deployment):
    """Two gateways, two ordered workers, one of each other kind; database, virtual host and prefix are their own.
    `gateway` are lines of its configuration, in that section."""

    kind = "cluster"

    def __init__(self, var: Path, servers: PrivateServers, gateway: str = "") -> None:
        var.mkdir(parents=True, exist_ok=True)
        shutil.copy(servers.settings.var / "secrets.toml", var / "secrets.toml")
        ports, store, bus, router = free_ports(), servers.fresh_database(), servers.fresh_bus(), servers.fresh_router()
        text = servers.config.read_text()
        text = re.sub(r"^var = .*$", f'var = "{var}"', text, flags=re.MULTILINE)
        text = text.replace("[bus]\n", f'[bus]\nvirtual_host = "{bus.virtual_host}"\n')
        text = text.replace("[router]\n", f'[router]\nprefix = "{router.prefix}"\n')
        text = text.replace("[store]\n", f'[store]\ndatabase = "{store.database}"\n')
        text = text.replace("[gateway]\n", f"[gateway]\n{gateway}\n")
        for place, setting in (("gateway", "gateway_port"), ("tcp", "gateway_tcp_port"), ("metrics", "metrics_port")):
            text = re.sub(rf"^first_{setting} = .*$", f"first_{setting} = {ports[place]}", text, flags=re.MULTILINE)
        text = re.sub(r"^\[nginx\]\nport = .*$", f"[nginx]\nport = {ports['nginx']}", text, flags=re.MULTILINE)
        text = re.sub(r"^tcp_port = .*$", f"tcp_port = {ports['nginx_tcp']}", text, flags=re.MULTILINE)
        (var / "cluster.toml").write_text(text)
        super().__init__(var / "cluster.toml")
        names = [*worker_names(2), *gateway_names(2)]
        self.processes = [component_process(self.settings, self.config, name) for name in names]
        self.ports = [ports["gateway"], ports["gateway"] + 1]
        self.tcp_ports = [ports["tcp"], ports["tcp"] + 1]

    def start(self) -> None:
        assert self.database  # makes the tables
        super().start()

    def forget_lease(self, gateway: str) -> None:
        """As if the lease of a gateway that was killed had run out: for tests that are not about that."""
        router = self.settings.router
        with redis.Redis(router.host, router.port, password=router.password) as client:
            client.delete(Keys(router.prefix).gateway(gateway))

    def process(self, name: str) -> Process:
        """One of w1, w2, p1, g1, g2."""
        return next(process for process in self.processes if process.name == name)

    def impatient_gateway(self) -> ImpatientGateway:
        words = ["-m", "gateway", "--config", str(self.config), "--name", "g9"]
        port, tcp_port = self.ports[1] + 7, self.tcp_ports[1] + 7
        environment = {f"HONGYAN_GATEWAY__{name.upper()}": value for name, value in IMPATIENT.items()}
        process = _process(self.settings.var, "g9", words, port, tcp_port, environment)
        return ImpatientGateway(process, {d: _addresses(d, [port], [tcp_port])[0] for d in DOORS}, self.new_user)
