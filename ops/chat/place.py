"""Which of the systems on this machine chat.sh talks to: its settings, and where its door is."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from conf.mistakes import BadSettings
from conf.settings import FILE_VARIABLE, Settings, load
from ops.probes import accepts, reachable
from ops.run_environment import load_as_started
from ops.standalone import load_running
from ops.templates import ROOT


class Place(NamedTuple):
    """A door: `settings` are those of the system behind it."""

    settings: Settings
    host: str
    port: int


def find_place(door: str, port: int | None, config: Path | None) -> Place:
    """Where to go in: standalone where it is meant or runs, else the cluster. Raises BadSettings."""
    if config is None and os.environ.get(FILE_VARIABLE):
        config = Path(os.environ[FILE_VARIABLE])
    if config is None:
        alone = load_running()
        place = _at_standalone(alone, door, port)
        if port in (alone.gateway.port, alone.gateway.tcp_port) or (port is None and accepts(place.host, place.port)):
            return place
        config = ROOT / "conf" / "cluster.toml"
    elif load(config).mode == "standalone":
        return _at_standalone(load_running(config), door, port)
    return _at_cluster(load_as_started(config, "cluster", os.environ), door, port)


def _at_standalone(settings: Settings, door: str, port: int | None) -> Place:
    gateway = settings.gateway
    return Place(settings, reachable(gateway.host), port or (gateway.tcp_port if door == "tcp" else gateway.port))


def _at_cluster(settings: Settings, door: str, port: int | None) -> Place:
    """By nginx; by g1 itself where nginx speaks TLS, which this client does not."""
    nginx, cluster, is_tcp = settings.nginx, settings.cluster, door == "tcp"
    if port is None and nginx.certificate:
        port = cluster.first_gateway_tcp_port if is_tcp else cluster.first_gateway_port
    port = port or (nginx.tcp_port if is_tcp else nginx.port)
    is_nginx = port in (nginx.port, nginx.tcp_port)
    if is_nginx and nginx.certificate:
        raise BadSettings(f"nginx speaks TLS at port {port}, which this client does not: leave --port away.")
    return Place(settings, reachable(nginx.host if is_nginx else settings.gateway.host), port)
