"""The three private servers of a cluster: RabbitMQ (with its epmd), Redis and MariaDB, all under one var."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from conf.settings import Settings
from ops.ports import LOOPBACK, Port, check
from ops.processes import Process
from ops.servers.mariadb import forget_set_up, mariadb_process
from ops.servers.rabbitmq import epmd_process, internal_ports, rabbitmq_process
from ops.servers.redis import redis_process

NAMES = ("rabbitmq", "redis", "mariadb")
# What says the port of each; the internal ports of RabbitMQ go with it.
VARIABLES = {"rabbitmq": "HONGYAN_BUS__PORT", "redis": "HONGYAN_ROUTER__PORT", "mariadb": "HONGYAN_STORE__PORT"}
READY_S = 90.0

Say = Callable[[str], None]


class Servers:
    """Starts, stops and inspects the servers of `settings`, whichever process started them."""

    def __init__(self, settings: Settings, say: Say = print) -> None:
        self.settings = settings
        self._say = say
        self._processes: dict[str, Process] = {}

    def __repr__(self) -> str:
        return f"Servers({', '.join(f'{name} {self.process(name).state}' for name in NAMES)})"

    @property
    def var(self) -> Path:
        return self.settings.var

    def process(self, name: str) -> Process:
        """The tracked process of a server; also "epmd"."""
        if name not in self._processes:
            self._processes[name] = self._make(name)
        return self._processes[name]

    def up(self) -> bool:
        """Start whatever does not run, all at once, and wait for each. False: all ran already. Raises ProcessFailed."""
        started = [name for name in NAMES if self._start(name)]
        for name in NAMES:
            self._await(name, name in started)
        return bool(started)

    def start(self, name: str) -> None:
        """Start one server and wait until it serves. Raises ProcessFailed."""
        self._await(name, self._start(name))

    def stop(self, name: str) -> bool:
        """Stop one server in order; False where it did not run."""
        stopped = self.process(name).stop()
        if name == "rabbitmq":
            self.process("epmd").stop()
        return stopped

    def down(self) -> bool:
        """Stop all; False where none ran."""
        stopped = [name for name in NAMES if self.stop(name)]
        return bool(stopped)

    def _make(self, name: str) -> Process:
        settings = self.settings
        if name == "redis":
            return redis_process(settings.router, self.var)
        if name == "mariadb":
            return mariadb_process(settings.store, self.var)
        if name == "epmd":
            return epmd_process(settings.bus, self.var)
        return rabbitmq_process(settings.bus, self.var)

    def _start(self, name: str) -> bool:
        """Start without waiting. False: it ran."""
        if self.process(name).pid is not None:
            return False
        check(self.ports(name))
        if name == "rabbitmq":
            self.process("epmd").start()
            self.process("epmd").await_ready(10.0)
        return self.process(name).start()

    def _await(self, name: str, started: bool) -> None:
        process = self.process(name)
        begun = time.monotonic()
        process.await_ready(READY_S)
        if name == "mariadb":
            forget_set_up(self.var)
        if started:
            self._say(f"{name:<10} up after {time.monotonic() - begun:.1f} s on 127.0.0.1:{process.port}")

    def ports(self, name: str) -> list[Port]:
        """Where a server will listen when it is started now."""
        port = self.process(name).port
        variable = VARIABLES[name]
        ports = [Port(name, LOOPBACK, port, variable)]
        if name == "rabbitmq":
            distribution, epmd = internal_ports(port)
            ports.append(Port(name, LOOPBACK, distribution, variable, port))
            if self.process("epmd").pid is None:
                ports.append(Port(name, LOOPBACK, epmd, variable, port))
        return ports
