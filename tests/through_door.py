"""A cluster as its clients see it: nginx picks the gateway, for WebSocket, long-poll and HTTP at one port, for TCP at
another."""

from __future__ import annotations

import re
import time

from ops.cluster.components import DOORS, component_process
from ops.probes import metric
from ops.processes import Process
from ops.servers.nginx import directory_of
from tests.deployments import READY_S, ClusterDeployment, Deployment, ImpatientGateway

KNOWN_S = 15.0
POLL_S = 0.05
GATEWAYS = ("g1", "g2")


class ThroughDoor(Deployment):
    """The two nginx before `cluster`, which somebody else closes. A client cannot choose its gateway here."""

    kind = "through"

    def __init__(self, cluster: ClusterDeployment) -> None:
        super().__init__(cluster.config)
        self.cluster = cluster
        nginx = cluster.settings.nginx
        self.ports, self.tcp_ports = [nginx.port], [nginx.tcp_port]
        self.doors = {name: component_process(cluster.settings, cluster.config, name) for name in DOORS}
        self.processes = list(self.doors.values())

    def start(self) -> None:
        """Start whatever does not run, the cluster's too; both doors know both gateways at the end."""
        assert self.cluster.database  # makes the tables
        for process in [*self.cluster.processes, *self.processes]:
            process.start()
        for process in [*self.cluster.processes, *self.processes]:
            process.await_ready(READY_S)
        self._await_known(dict.fromkeys(GATEWAYS, 0))

    def restart(self) -> None:
        """The cluster behind the door; the door stays."""
        before = {name: self._found(name) for name in GATEWAYS}
        self.cluster.restart()
        self._await_known(before)

    def logs(self) -> str:
        return self.cluster.logs() + super().logs()

    def impatient_gateway(self) -> ImpatientGateway:
        return self.cluster.impatient_gateway()

    @property
    def gateway_ports(self) -> list[int]:
        return self.cluster.gateway_ports

    def gateway(self, name: str) -> Process:
        """g1 or g2."""
        return self.cluster.process(name)

    def connections(self, gateway: str, door: str) -> int:
        """How many that gateway holds by that door."""
        return metric(self.gateway(gateway).port, f'hongyan_connections{{door="{door}"}}')

    def is_spread(self, door: str) -> bool:
        """Whether both gateways hold connections by that door."""
        return all(self.connections(name, door) for name in GATEWAYS)

    def said(self, name: str) -> str:
        """All that one of the two has logged."""
        return self.doors[name].log.read_text()

    def reloads(self) -> int:
        """How often a worker of TCP has left newcomers to another that knows the new list."""
        return self.said("nginx-tcp").count("gracefully shutting down")

    def is_listed(self, gateway: str) -> bool:
        """Whether nginx sends newcomers over TCP to it."""
        listed = (directory_of(self.settings.var) / "tcp_gateways.conf").read_text()
        return f":{self.settings.cluster.first_gateway_tcp_port + int(gateway[1:]) - 1} " in listed

    def _found(self, gateway: str) -> int:
        """How often the door has found that gateway, or found it again; 0 while it does not send newcomers to it."""
        said = re.findall(rf"gateway {gateway} is (\w+)", self.said("nginx"))
        return said.count("up") if said[-1:] == ["up"] and self.is_listed(gateway) else 0

    def _await_known(self, found_before: dict[str, int]) -> None:
        """Until both doors send newcomers to each gateway, found once more than before."""
        until = time.monotonic() + KNOWN_S
        while not all(self._found(name) > times for name, times in found_before.items()):
            known = {name: (self._found(name), self.is_listed(name)) for name in found_before}
            assert time.monotonic() < until, (
                f"{self} does not know all of {list(found_before)}; times found, and whether listed for TCP: {known}; "
                f"the end of what nginx said:\n{self.doors['nginx'].log_tail()}"
            )
            time.sleep(POLL_S)
