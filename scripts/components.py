"""The processes of a cluster that are ours: gateways g1, g2 ..., ordered workers w1, w2 ..., the parallel worker p1."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from conf.settings import Settings
from scripts.probes import answers_http
from scripts.processes import Process
from scripts.templates import ROOT

PARALLEL = "p1"
PARALLEL_PORT_OFFSET = 90  # after the ports of as many ordered workers
STOP_S = 20.0  # an orderly stop takes up to about 10 s
CONFIG_VARIABLE = "HONGYAN_CONFIG"


def worker_names(workers: int) -> list[str]:
    return [f"w{number}" for number in range(1, workers + 1)] + [PARALLEL]


def gateway_names(gateways: int) -> list[str]:
    return [f"g{number}" for number in range(1, gateways + 1)]


def started_names(var: Path) -> list[str]:
    """The components that have a pid file, whatever number was asked for."""
    names = [path.stem for path in (var / "run").glob("*.pid")]
    return sorted(name for name in names if re.fullmatch(r"[gw]\d+|p1", name))


def component_port(settings: Settings, name: str) -> int:
    """The port on which a component answers /readyz: a gateway's door, a worker's metrics."""
    if name == PARALLEL:
        return settings.cluster.first_metrics_port + PARALLEL_PORT_OFFSET
    first = settings.cluster.first_gateway_port if name.startswith("g") else settings.cluster.first_metrics_port
    return first + int(name[1:]) - 1


def component_process(settings: Settings, config: Path, name: str) -> Process:
    """The tracked process of a component."""
    port = component_port(settings, name)
    host = settings.gateway.host if name.startswith("g") and settings.gateway.host != "0.0.0.0" else "127.0.0.1"
    return Process(
        name,
        lambda: _command(config, name, port),
        settings.var,
        lambda: answers_http(f"http://{host}:{port}/readyz"),
        env=our_environment(),
        cwd=ROOT,
        port=port,
        stop_s=STOP_S,
    )


def schema_command(config: Path) -> list[str]:
    """Creates the schema where it is missing; changes nothing where it is there."""
    return [sys.executable, "-m", "logic", "init", "--config", str(config)]


def our_environment() -> dict[str, str]:
    """Our own processes take settings from the environment; which file they read is said by --config."""
    kept = {name: value for name, value in os.environ.items() if name != CONFIG_VARIABLE}
    return {**kept, "PYTHONUNBUFFERED": "1"}


def _command(config: Path, name: str, port: int) -> list[str]:
    if name.startswith("g"):
        return [sys.executable, "-m", "gateway", "--config", str(config), "--name", name, "--port", str(port)]
    kind = "parallel" if name == PARALLEL else "ordered"
    options = ["--config", str(config), "--name", name, "--metrics-port", str(port)]
    return [sys.executable, "-m", "logic", kind, *options]
