"""The cluster that the fault tests break: its components by name, and its store as a test reads it."""

from __future__ import annotations

import os
import re
import signal
import time
import urllib.request
from pathlib import Path

from logic.app import redis_resolver
from protocol.ids import partition_of
from router.interface import Resolver
from router.shares import share
from scripts.components import component_process
from scripts.probes import answers_http
from scripts.processes import Process, is_frozen
from tests.deployments import READY_S, ClusterDeployment
from tests.private_servers import PrivateServers

SERVERS = ("rabbitmq", "redis", "mariadb")
OURS = ("w1", "w2", "p1", "g1", "g2")
HELD = re.compile(r'^hongyan_partition_held{partition="(\d+)"} 1', re.MULTILINE)
BUG = re.compile(r'"level": ?"(error|critical)"|Traceback')


class FaultCluster:
    """Two gateways, two ordered workers, a parallel one and the three servers."""

    def __init__(self, servers: PrivateServers) -> None:
        self.servers = servers
        self.deployment = ClusterDeployment(servers.settings.var / "cluster", servers)
        self.settings = self.deployment.settings
        self.database = self.deployment.database
        self._third = component_process(self.settings, self.deployment.config, "w3")
        self._read_up_to: dict[Path, int] = {}

    def __repr__(self) -> str:
        return f"FaultCluster({', '.join(f'{name} {self.process(name).state}' for name in OURS)})"

    def process(self, name: str) -> Process:
        """A component: g1 g2 w1 w2 w3 p1 rabbitmq redis mariadb."""
        if name in SERVERS:
            return self.servers.process(name)
        return self._third if name == "w3" else self.deployment.process(name)

    def heal(self) -> None:
        """Wake what is stopped, start what is missing, and wait until each serves and has its share."""
        self.servers.up()
        self._third.stop()
        for name in OURS:
            pid = self.process(name).pid
            if pid is not None and is_frozen(pid):
                self.process(name).resume()
            self.process(name).start()
        for name in OURS:
            self.process(name).await_ready(READY_S)

    def start(self, name: str) -> float:
        """Start a component; returns when it serves, and gives that moment."""
        if name in SERVERS:
            self.servers.start(name)
        else:
            self.process(name).start()
            self.process(name).await_ready(READY_S)
        return time.monotonic()

    def kill(self, name: str) -> float:
        """SIGKILL; the moment at which it is gone."""
        self.process(name).kill()
        return time.monotonic()

    def drain(self, name: str) -> float:
        """Stop in order, a gateway after it drained; the moment at which it is gone."""
        pid = self.process(name).pid
        assert pid is not None
        if name.startswith("g"):
            os.kill(pid, signal.SIGUSR1)
            until = time.monotonic() + READY_S
            while answers_http(f"http://127.0.0.1:{self.process(name).port}/readyz"):
                assert time.monotonic() < until, f"{name} does not drain"
                time.sleep(0.02)
        self.process(name).stop()
        return time.monotonic()

    def close(self) -> None:
        self._third.stop()
        self.deployment.close()

    def url(self, gateway: str) -> str:
        return self.deployment.gateway_urls[int(gateway[1:]) - 1]

    def partition(self, conversation: str) -> int:
        return partition_of(conversation, self.settings.partitions)

    def share(self, worker: str, *others: str) -> set[int]:
        """The partitions that `worker` should own beside `others`."""
        return share(worker, [worker, *others], self.settings.partitions)

    def held(self, worker: str) -> set[int]:
        """The partitions from which a worker gets commands, as its metrics say; none where it does not answer."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.process(worker).port}/metrics", timeout=2) as answer:
                return {int(partition) for partition in HELD.findall(answer.read().decode())}
        except OSError:
            return set()

    def resolver(self) -> Resolver:
        """The router, asked as a worker asks it."""
        return redis_resolver(self.settings)

    def logged(self, name: str) -> str:
        """What a component has logged since this was last asked."""
        log = self.process(name).log
        if not log.exists():
            return ""
        with log.open("rb") as file:
            file.seek(self._read_up_to.get(log, 0))
            text = file.read()
        self._read_up_to[log] = self._read_up_to.get(log, 0) + len(text)
        return text.decode(errors="replace")

    def faults_of_ours(self) -> list[str]:
        """Lines logged since this was last asked that only a bug of ours writes."""
        names = [*OURS, "w3"]
        return [f"{n}: {line}" for n in names for line in self.logged(n).splitlines() if BUG.search(line)]
