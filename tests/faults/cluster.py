"""The cluster that the fault tests break: its components by name, and its store as a test reads it."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

from hongyan.doors import DOORS

from logic.app import redis_resolver
from ops.cluster.components import component_process, gateway_names, worker_names
from ops.processes import Process, is_frozen
from ops.run_environment import our_environment
from protocol.ids import partition_of
from router.interface import Resolver
from router.shares import share
from tests.deployments import READY_S, ClusterDeployment
from tests.private_servers import ROOT, PrivateServers
from tests.through_door import ThroughDoor

SERVERS = ("rabbitmq", "redis", "mariadb")
OURS = (*worker_names(2), *gateway_names(2))
HELD = re.compile(r'^hongyan_partition_held{partition="(\d+)"} 1', re.MULTILINE)
# That Redis is gone in the middle of an answer is a line of nginx's own, and no bug.
BUG = re.compile(r'"level": ?"(error|critical)"|Traceback|\[emerg\]|\[error\](?!.* recv\(\) failed)')


class FaultCluster:
    """Two gateways, two ordered workers, a parallel one, the three servers, and the doors where a test opens them."""

    def __init__(self, servers: PrivateServers) -> None:
        self.servers = servers
        self.deployment = ClusterDeployment(servers.settings.var / "cluster", servers)
        self.settings = self.deployment.settings
        # An operator's scripts look for the servers where everything else of the cluster is.
        (self.settings.var / "run").symlink_to(servers.settings.var.absolute() / "run")
        self.database = self.deployment.database
        self.through_door = ThroughDoor(self.deployment)
        third = component_process(self.settings, self.deployment.config, "w3")
        self._others = {"w3": third, **self.through_door.doors}
        self._read_up_to: dict[Path, int] = {}

    def __repr__(self) -> str:
        return f"FaultCluster({', '.join(f'{name} {self.process(name).state}' for name in OURS)})"

    def process(self, name: str) -> Process:
        """A component: g1 g2 w1 w2 w3 p1 nginx nginx-tcp rabbitmq redis mariadb."""
        if name in SERVERS:
            return self.servers.process(name)
        return self._others[name] if name in self._others else self.deployment.process(name)

    def heal(self) -> None:
        """Wake what is stopped, start what is missing, and wait until each serves and has its share."""
        self.servers.up()
        self.process("w3").stop()
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

    def wipe_broker(self) -> float:
        """SIGKILL RabbitMQ, delete all that it has stored, and start it; the moment at which it serves."""
        self.kill("rabbitmq")
        shutil.rmtree(self.servers.settings.var / "rabbitmq" / "mnesia")
        self.servers.start("rabbitmq")
        self.servers.add_virtual_host(self.settings.bus.virtual_host)
        return time.monotonic()

    def rolling_restart(self) -> None:
        """scripts/rolling_restart.sh: gateways and workers, one after the other."""
        words = [sys.executable, "-m", "ops.cluster.rolling", "--config", str(self.deployment.config), "restart"]
        done = subprocess.run(words, check=False, cwd=ROOT, env=our_environment(), capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def open_doors(self) -> None:
        """Start both anew: they balance as if nothing had happened before."""
        self.through_door.stop()
        self.through_door.start()

    def close(self) -> None:
        self.through_door.stop()
        self.process("w3").stop()
        self.deployment.close()

    def ways_in(self) -> list[list[str]]:
        """Through the doors: by WebSocket, by TCP, by long-poll."""
        return [self.through_door.urls(door) for door in DOORS]

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

    def connections(self, gateway: str) -> int:
        """How many that gateway holds, by all of its doors."""
        return sum(self.through_door.connections(gateway, door) for door in DOORS)

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
        names = [*OURS, *self._others]
        return [f"{n}: {line}" for n in names for line in self.logged(n).splitlines() if BUG.search(line)]
