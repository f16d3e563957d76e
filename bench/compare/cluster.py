"""The cluster of a commit: started, asked and stopped by that commit's own scripts, on free ports, below a directory of
its own.

Law: before anything is started it is written down what will be, so that whoever comes after a killed comparison can
stop it by the same scripts.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from bench import usage
from bench.compare import scripts
from bench.compare.checkout import Checkout
from bench.private_cluster import CLOSED_S, PLACES, UNNAMED
from conf.settings import PREFIX
from ops.processes import ProcessFailed
from ops.run_directory import free_ports
from ops.seed import Seed

RECORD = "started.json"
CLUSTER = "scripts/cluster.sh"
POLL_S = 0.1


class CommitCluster:
    """One gateway, one ordered worker, one parallel, the servers and the door, on ports that are free now."""

    def __init__(self, checkout: Checkout, var: Path) -> None:
        ports = free_ports(PLACES, UNNAMED)
        self._checkout, self._var = checkout, var
        self._settings = _settings(var, ports)
        self._first_port = ports["gateway"]
        self._pids: dict[str, int] = {}

    def __repr__(self) -> str:
        return f"CommitCluster({self._checkout.commit.name}, {self._var}, {len(self._pids)} processes)"

    def up(self) -> None:
        """Raises ScriptFailed."""
        self._var.mkdir(parents=True)
        record = {"checkout": str(self._checkout.path), "settings": self._settings}
        (self._var / RECORD).write_text(json.dumps(record))
        self._change("up")

    def down(self) -> None:
        """Raises ScriptFailed."""
        self._change("down")

    def seed(self, users: int, groups: int, members: int, prefix: str) -> Seed:
        """Raises ScriptFailed."""
        words = [self._checkout.python, "-m", self._checkout.seed, "--config", "conf/cluster.toml", "--prefix", prefix]
        words += ["--users", str(users), "--groups", str(groups), "--members", str(members)]
        return Seed(**json.loads(scripts.ask(words, self._checkout.path, self._settings)))

    def pids(self) -> dict[str, int]:
        """All that `status` names: everything but epmd, which nobody asks after the start. Raises ScriptFailed."""
        if not self._pids:
            words = [CLUSTER, "status", "--json"]
            rows: list[dict[str, Any]] = json.loads(scripts.ask(words, self._checkout.path, self._settings))
            self._pids = {row["name"]: row["pid"] for row in rows}
        return self._pids

    def url(self, gateway: int = 1) -> str:
        return f"ws://127.0.0.1:{self._port(gateway)}/ws"

    def connections(self, gateway: int = 1) -> int:
        """As the system knows them, because commits may differ in their metrics."""
        return usage.connections(self.pids()[f"g{gateway}"], self._port(gateway))

    def await_closed(self, gateway: int = 1) -> None:
        until = time.monotonic() + CLOSED_S
        while self.connections(gateway) > 0:
            if time.monotonic() > until:
                raise ProcessFailed(f"gateway g{gateway} still holds connections {CLOSED_S:.0f} s after a load")
            time.sleep(POLL_S)

    def restart(self, name: str) -> None:
        """Raises ScriptFailed."""
        self._change("restart", name)

    def _change(self, *words: str) -> None:
        self._pids = {}
        scripts.run([CLUSTER, *words], self._checkout.path, self._settings, to_its_end=True)

    def _port(self, gateway: int) -> int:
        return self._first_port + gateway - 1


@contextmanager
def cluster_of(checkout: Checkout, var: Path) -> Iterator[CommitCluster]:
    """Up; down at the end, whatever happens. `var` stays where something failed: it holds the logs."""
    cluster = CommitCluster(checkout, var)
    try:
        cluster.up()
        yield cluster
    finally:
        cluster.down()
    shutil.rmtree(var)


def remove_left(var: Path) -> None:
    """Stop and remove what a comparison that was killed, or failed, left in `var`. Raises ScriptFailed."""
    try:
        record = json.loads((var / RECORD).read_text())
    except FileNotFoundError:
        pass
    else:
        where = Path(record["checkout"])
        if not where.exists():
            raise scripts.ScriptFailed(
                f"what runs from {var} can only be stopped by {where}/{CLUSTER}, which is gone: "
                f"end the processes named in {var}/run/*.pid, and remove {var}."
            )
        scripts.run([CLUSTER, "down"], where, record["settings"], to_its_end=True)
    shutil.rmtree(var, ignore_errors=True)


def _settings(var: Path, ports: dict[str, int]) -> dict[str, str]:
    """The environment of all scripts of one cluster: what ships, but for places and for the limits of a connection."""
    values = {
        "VAR": var,
        "BUS__PORT": ports["bus"],
        "ROUTER__PORT": ports["router"],
        "STORE__PORT": ports["store"],
        "GATEWAY__PORT": ports["gateway"],
        "GATEWAY__MESSAGES_PER_S": 1_000_000,
        "GATEWAY__MESSAGE_BURST": 1_000_000,
        "CLUSTER__GATEWAYS": 1,
        "CLUSTER__WORKERS": 1,
        "CLUSTER__FIRST_GATEWAY_PORT": ports["gateway"],
        "CLUSTER__FIRST_GATEWAY_TCP_PORT": ports["tcp"],
        "CLUSTER__FIRST_METRICS_PORT": ports["metrics"],
        "NGINX__PORT": ports["nginx"],
        "NGINX__TCP_PORT": ports["nginx_tcp"],
    }
    return {f"{PREFIX}{name}": str(value) for name, value in values.items()}
