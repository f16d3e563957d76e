"""A cluster of the bench's own: real servers, gateways and workers on free ports, all under one var/bench/run-*.

Law: nothing of another cluster is touched.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conf.settings import Settings, load
from logic.workers.kinds import KINDS
from ops import run_directory
from ops.cluster.deployment import Deployment
from ops.probes import metric
from ops.processes import ProcessFailed
from ops.seed import Seed, seed
from ops.templates import ROOT
from protocol.ops import ORDERED

RUNS = ROOT / "var" / "bench"
CLOSED_S = 15.0
PLACES = {"bus": 0, "router": 2, "store": 3, "echo": 4, "metrics": 5, "gateway": 10, "tcp": 30}
PLACES |= {"nginx": 40, "nginx_tcp": 41}
# The second gateway, the metrics of w2 and of the other kinds of workers.
UNNAMED = (11, 31, 6, *(PLACES["metrics"] + kind.port_offset for kind in KINDS.values() if kind.name != ORDERED))
CONFIGURATION = """\
mode = "cluster"
var = "{var}"
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
gateways = 1
workers = 1
first_gateway_port = {gateway}
first_gateway_tcp_port = {tcp}
first_metrics_port = {metrics}
[nginx]
port = {nginx}
tcp_port = {nginx_tcp}
"""


class PrivateCluster:
    """RabbitMQ, Redis, MariaDB, gateways g1 ..., ordered workers w1 ..., the parallel worker p1, nginx before them."""

    def __init__(self, config: Path, echo_port: int = 0) -> None:
        self.settings: Settings = load(config, {})
        self.echo_port = echo_port
        self._deployment = Deployment(self.settings, config, say=lambda text: None)

    def __repr__(self) -> str:
        return repr(self._deployment)

    def resize(self, gateways: int, workers: int) -> None:
        """Have exactly so many gateways and ordered workers. Raises ProcessFailed."""
        self._deployment.up(gateways, workers)
        for name in reversed(self._deployment.names()):
            if (name[0] == "g" and int(name[1:]) > gateways) or (name[0] == "w" and int(name[1:]) > workers):
                self._deployment.process(name).stop()

    def restart(self, name: str) -> None:
        self._deployment.restart(name)

    def kill(self, name: str) -> None:
        """By -9; `restart` brings it back."""
        self._deployment.process(name).kill()

    def down(self) -> None:
        self._deployment.down()

    def seed(self, users: int, groups: int, members: int, prefix: str) -> Seed:
        return seed(self.settings, users, groups, members, prefix)

    def pids(self) -> dict[str, int]:
        """The processes that run, by name."""
        running = {name: self._deployment.process(name).pid for name in self._deployment.names()}
        return {name: pid for name, pid in running.items() if pid is not None}

    def url(self, gateway: int = 1) -> str:
        return f"ws://127.0.0.1:{self.settings.cluster.first_gateway_port + gateway - 1}/ws"

    @property
    def door_url(self) -> str:
        """nginx's, which passes the connection on to a gateway."""
        return f"ws://127.0.0.1:{self.settings.nginx.port}/ws"

    def connections(self, gateway: int = 1) -> int:
        """How many WebSockets the gateway itself says that it holds."""
        port = self.settings.cluster.first_gateway_port + gateway - 1
        return metric(port, 'hongyan_connections{door="ws"}')

    def await_closed(self, gateway: int = 1) -> None:
        """Return when the gateway holds no connection any more, so that runs do not disturb each other."""
        until = time.monotonic() + CLOSED_S
        while self.connections(gateway) > 0:
            if time.monotonic() > until:
                raise ProcessFailed(f"gateway g{gateway} still holds connections {CLOSED_S:.0f} s after a run")
            time.sleep(0.1)


@contextmanager
def private_cluster() -> Iterator[PrivateCluster]:
    """One gateway and one worker, up; down and removed at the end."""
    run_directory.remove_dead(RUNS, lambda config: PrivateCluster(config).down())
    ports = run_directory.free_ports(PLACES, UNNAMED)
    with run_directory.create(RUNS, CONFIGURATION, ports) as config:
        cluster = PrivateCluster(config, ports["echo"])
        try:
            cluster.resize(1, 1)
            yield cluster
        finally:
            cluster.down()
