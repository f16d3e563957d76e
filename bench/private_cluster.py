"""A cluster of the bench's own: real servers, gateways and workers on free ports, all under one var/bench/run-*.

Law: nothing of another cluster is touched. What a killed run left behind is stopped and removed by the next.
"""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from conf.secrets import generate
from conf.settings import Settings, load
from scripts.deployment import Deployment
from scripts.probes import is_port_free
from scripts.processes import ProcessFailed
from scripts.rabbitmq_server import internal_ports
from scripts.templates import ROOT

RUNS = ROOT / "var" / "bench"
CLOSED_S = 15.0
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
[cluster]
gateways = 1
workers = 1
first_gateway_port = {gateway}
first_metrics_port = {metrics}
"""


class PrivateCluster:
    """RabbitMQ, Redis, MariaDB, gateways g1 ..., ordered workers w1 ..., the parallel worker p1."""

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

    def down(self) -> None:
        self._deployment.down()

    def pids(self) -> dict[str, int]:
        """The processes that run, by name."""
        running = {name: self._deployment.process(name).pid for name in self._deployment.names()}
        return {name: pid for name, pid in running.items() if pid is not None}

    def url(self, gateway: int = 1) -> str:
        return f"ws://127.0.0.1:{self.settings.cluster.first_gateway_port + gateway - 1}/ws"

    def connections(self, gateway: int = 1) -> int:
        """How many WebSockets the gateway itself says that it holds."""
        return int(self._metric(gateway, 'hongyan_connections{door="ws"}'))

    def await_closed(self, gateway: int = 1) -> None:
        """Return when the gateway holds no connection any more, so that runs do not disturb each other."""
        until = time.monotonic() + CLOSED_S
        while self.connections(gateway) > 0:
            if time.monotonic() > until:
                raise ProcessFailed(f"gateway g{gateway} still holds connections {CLOSED_S:.0f} s after a run")
            time.sleep(0.1)

    def _metric(self, gateway: int, name: str) -> float:
        port = self.settings.cluster.first_gateway_port + gateway - 1
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            for line in answer.read().decode().splitlines():
                if line.startswith(name + " "):
                    return float(line.rpartition(" ")[2])
        return 0.0


@contextmanager
def private_cluster() -> Iterator[PrivateCluster]:
    """One gateway and one worker, up; down and removed at the end."""
    RUNS.mkdir(parents=True, exist_ok=True)
    _remove_dead_runs()
    var = RUNS / f"run-{os.getpid()}"
    var.mkdir()
    with (var / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        generate(var)
        ports = _free_ports()
        echo = ports.pop("echo")
        (var / "cluster.toml").write_text(CONFIGURATION.format(var=var, **ports))
        cluster = PrivateCluster(var / "cluster.toml", echo)
        try:
            cluster.resize(1, 1)
            yield cluster
        finally:
            cluster.down()
    shutil.rmtree(var, ignore_errors=True)


def _free_ports() -> dict[str, int]:
    """A block of ports below those that the system hands out, in which nobody listens."""
    while True:
        base = random.randrange(20_000, 31_000, 100)
        ports = {"bus": base, "router": base + 2, "store": base + 3, "echo": base + 4, "gateway": base + 10}
        ports["metrics"] = base + 20
        wanted = [*ports.values(), *internal_ports(base), base + 11, base + 21, base + 20 + 90]
        if all(is_port_free("127.0.0.1", port) for port in wanted):
            return ports


def _remove_dead_runs() -> None:
    """Stop and remove what runs that no longer live left behind: nobody holds their lock."""
    for run in RUNS.glob("run-*"):
        with (run / "lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if (run / "cluster.toml").exists():
                PrivateCluster(run / "cluster.toml").down()
            shutil.rmtree(run, ignore_errors=True)
