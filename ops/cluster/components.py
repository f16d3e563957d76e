"""The processes of a cluster besides its servers: gateways g1, g2 ..., workers of each kind (logic/workers/kinds.py),
the door: nginx, nginx-tcp, and log-rotation (ops/log_rotation.py), which needs and serves none of them."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable
from pathlib import Path

from conf.settings import Settings
from logic.workers.kinds import KINDS, kind_of
from ops.ports import LOOPBACK, Port
from ops.probes import accepts, answers_http, reachable
from ops.processes import Process
from ops.run_environment import our_environment
from ops.servers.nginx import nginx_process
from ops.templates import ROOT
from protocol.addresses import socket_place
from protocol.ops import ORDERED

DOORS = ("nginx", "nginx-tcp")
LOG_ROTATION = "log-rotation"
LOG_RANK, GATEWAY_RANK, DOOR_RANK = 0, 10, 20  # after all workers; the doors find the gateways that serve
STOP_S = 30.0  # a gateway sends its clients away for up to 10 s and answers for up to 10 s more


def worker_names(workers: int) -> list[str]:
    """All workers, in the order in which they start; `workers` is how many ordered ones."""
    return [
        f"{kind.prefix}{number}"
        for kind in sorted(KINDS.values(), key=lambda kind: kind.rank)
        for number in range(1, (workers if kind.name == ORDERED else kind.processes) + 1)
    ]


def gateway_names(gateways: int) -> list[str]:
    return [f"g{number}" for number in range(1, gateways + 1)]


def is_gateway(name: str) -> bool:
    return re.fullmatch(r"g\d+", name) is not None


def by_rank(names: Iterable[str]) -> list[list[str]]:
    """Components in the order in which they start; those of one rank may go at once. They stop the other way round."""
    ranks: dict[int, list[str]] = {}
    for name in names:
        kind = kind_of(name)
        ranks.setdefault(kind.rank if kind is not None else _rank(name), []).append(name)
    return [ranks[rank] for rank in sorted(ranks)]


def _rank(name: str) -> int:
    return GATEWAY_RANK if is_gateway(name) else LOG_RANK if name == LOG_ROTATION else DOOR_RANK


def started_names(var: Path) -> list[str]:
    """The components that have a pid file, whatever number was asked for."""
    names = [path.stem for path in (var / "run").glob("*.pid")]
    return sorted(name for name in names if name in (*DOORS, LOG_ROTATION) or kind_of(name) or is_gateway(name))


def component_port(settings: Settings, name: str) -> int:
    """The port on which a component answers /readyz: a gateway's door, a worker's metrics."""
    kind = kind_of(name)
    if kind is None:
        return settings.cluster.first_gateway_port + int(name.removeprefix("g")) - 1
    return settings.cluster.first_metrics_port + kind.port_offset + int(name.removeprefix(kind.prefix)) - 1


def gateway_tcp_port(settings: Settings, name: str) -> int:
    """The port of a gateway's TCP door."""
    return settings.cluster.first_gateway_tcp_port + int(name[1:]) - 1


def component_process(settings: Settings, config: Path, name: str) -> Process:
    """The tracked process of a component."""
    if name == "nginx":
        return nginx_process(settings)
    if name == "nginx-tcp":
        return _tcp_door_process(settings, config)
    if name == LOG_ROTATION:
        return _log_rotation_process(settings, config)
    port = component_port(settings, name)
    host = reachable(settings.gateway.host) if is_gateway(name) else "127.0.0.1"
    return Process(
        name,
        lambda: _command(settings, config, name),
        settings.var,
        lambda: answers_http(f"http://{socket_place(host, port)}/readyz"),
        env=our_environment(),
        cwd=ROOT,
        port=port,
        stop_s=STOP_S,
    )


def _tcp_door_process(settings: Settings, config: Path) -> Process:
    host, port = reachable(settings.nginx.host), settings.nginx.tcp_port
    command = [sys.executable, "-m", "ops.servers.tcp_door", "--config", str(config)]
    return Process(
        "nginx-tcp",
        lambda: command,
        settings.var,
        lambda: accepts(host, port),
        env=our_environment(),
        cwd=ROOT,
        port=port,
    )


def _log_rotation_process(settings: Settings, config: Path) -> Process:
    command = [sys.executable, "-m", "ops.log_rotation", "--config", str(config)]
    return Process(LOG_ROTATION, lambda: command, settings.var, lambda: True, env=our_environment(), cwd=ROOT)


def component_ports(settings: Settings, name: str) -> list[Port]:
    """Where a component will listen."""
    if name == LOG_ROTATION:
        return []
    if name in DOORS:
        is_tcp, door = name == "nginx-tcp", settings.nginx
        port, variable = (door.tcp_port, "HONGYAN_NGINX__TCP_PORT") if is_tcp else (door.port, "HONGYAN_NGINX__PORT")
        return [Port(name, door.host, port, variable)]
    port = component_port(settings, name)
    cluster, host, prefix = settings.cluster, settings.gateway.host, "HONGYAN_CLUSTER__FIRST_"
    if not is_gateway(name):
        return [Port(name, LOOPBACK, port, f"{prefix}METRICS_PORT", cluster.first_metrics_port)]
    tcp_port = gateway_tcp_port(settings, name)
    return [
        Port(name, host, port, f"{prefix}GATEWAY_PORT", cluster.first_gateway_port),
        Port(name, host, tcp_port, f"{prefix}GATEWAY_TCP_PORT", cluster.first_gateway_tcp_port),
    ]


def schema_command(config: Path) -> list[str]:
    """Creates the schema where it is missing; changes nothing where it is there."""
    return [sys.executable, "-m", "logic", "init", "--config", str(config)]


def _command(settings: Settings, config: Path, name: str) -> list[str]:
    port, options = str(component_port(settings, name)), ["--config", str(config), "--name", name]
    kind = kind_of(name)
    if kind is None:
        ports = ["--port", port, "--tcp-port", str(gateway_tcp_port(settings, name))]
        return [sys.executable, "-m", "gateway", *options, *ports]
    return [sys.executable, "-m", "logic", kind.name, *options, "--metrics-port", port]
