"""One cluster on this machine: what it consists of, and how it goes up and down.

Laws:
- Up is servers, schema, workers, gateways, doors; down is the reverse, each rank at once, and leaves no process.
- Both may be called again at any time and then change nothing. `up` starts what is missing and stops nothing; with
  other settings than those that run it is refused.
- `up` looks at all ports before it starts anything.
- How many gateways and workers were asked for is remembered in var/run/cluster.json until `down`, and what the
  environment said beside it.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import subprocess
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from conf.settings import Settings
from ops.cluster.components import (
    DOORS,
    LOG_ROTATION,
    by_rank,
    component_ports,
    component_process,
    gateway_names,
    schema_command,
    started_names,
    worker_names,
)
from ops.ports import Port, check
from ops.processes import DEAD, UP, Process, ProcessFailed
from ops.run_environment import forget, our_environment, refuse_changes, remember
from ops.servers import servers
from ops.servers.servers import Say, Servers
from ops.templates import ROOT

SYSTEM = "cluster"
READY_S = 45.0


class UnknownComponent(Exception):
    """The cluster has no such component; the message names those it has."""


@dataclass(frozen=True)
class Size:
    """How many gateways and ordered workers."""

    gateways: int
    workers: int


class Deployment:
    """The cluster of one configuration, whichever process started it."""

    def __init__(self, settings: Settings, config: Path, say: Say = print) -> None:
        self.settings, self._config, self._say = settings, config, say
        self._servers = Servers(settings, say)
        self._processes: dict[str, Process] = {}

    def __repr__(self) -> str:
        return f"Deployment({self.settings.var}, {self._size()})"

    def process(self, name: str) -> Process:
        """The tracked process of a component. Raises UnknownComponent."""
        if name not in self.names() + started_names(self.settings.var):
            raise UnknownComponent(f"there is no component {name!r}; there are {', '.join(self.names())}")
        return self._process(name)

    def _process(self, name: str) -> Process:
        if name in servers.NAMES:
            return self._servers.process(name)
        if name not in self._processes:
            self._processes[name] = component_process(self.settings, self._config, name)
        return self._processes[name]

    def names(self) -> list[str]:
        """All components, in the order in which they start."""
        return self._names(self._size())

    @staticmethod
    def _names(size: Size) -> list[str]:
        return [*servers.NAMES, LOG_ROTATION, *worker_names(size.workers), *gateway_names(size.gateways), *DOORS]

    def up(self, gateways: int | None, workers: int | None) -> bool:
        """Start what does not run, and wait until all serve. False: all ran already. Raises ProcessFailed."""
        with self.locked():
            size = self._size_for(gateways, workers)
            if self._runs():
                refuse_changes(self._config, SYSTEM, our_environment(), "scripts/cluster.sh down")
            absent = [name for name in self._names(size) if self._process(name).pid is None]
            self._check_ports(absent)
            self._size_file().write_text(json.dumps(asdict(size)))
            remember(self.settings.var, SYSTEM, os.environ)
            started_servers = self._servers.up()
            missing = [name for name in absent if name not in servers.NAMES]
            if missing:
                self._create_schema()
            ours = self.names()[len(servers.NAMES) :]
            # Workers and gateways find each other whoever is first; the doors need gateways that serve.
            for names in ([name for name in ours if name not in DOORS], DOORS):
                for name in [name for rank in by_rank(names) for name in rank]:
                    if name in missing:
                        self._launch(name)
                for name in names:
                    self._await(name, name in missing)
            return started_servers or bool(missing)

    def down(self) -> bool:
        """Stop all in order: doors, gateways, workers, servers. False: nothing ran."""
        with self.locked():
            started = started_names(self.settings.var)
            stopped = [name for rank in reversed(by_rank(started)) for name in self._stop(rank)]
            begun = time.monotonic()
            if self._servers.down():
                stopped.append("servers")
                self._say(f"{', '.join(servers.NAMES)} stopped after {time.monotonic() - begun:.1f} s")
            self._size_file().unlink(missing_ok=True)
            forget(self.settings.var, SYSTEM)
            return bool(stopped)

    def restart(self, name: str) -> None:
        """Stop a component in order and start it; one that is dead is just started. Raises ProcessFailed."""
        process = self.process(name)
        with self.locked():
            if name in servers.NAMES:
                begun = time.monotonic()
                if self._servers.stop(name):
                    self._say(f"{name} stopped after {time.monotonic() - begun:.1f} s")
                self._servers.start(name)
                return
            self.check_servers(name)
            self._stop([name])
            process.stop()
            check(component_ports(self.settings, name))
            self._launch(name)
            self._await(name, True)

    def check_servers(self, name: str) -> None:
        """Raises ProcessFailed unless the servers are up without which a gateway or worker cannot serve."""
        away = [server for server in servers.NAMES if self._servers.process(server).state != UP]
        if away and name not in (*DOORS, LOG_ROTATION):
            verb = "is" if len(away) == 1 else "are"
            raise ProcessFailed(f"{name} needs {', '.join(away)}, which {verb} not up: scripts/cluster.sh up")

    def status(self) -> list[dict[str, object]]:
        """name, pid (None where it does not run), state and port of each component."""
        names = self.names()
        extra = [name for name in started_names(self.settings.var) if name not in names]
        processes = [self.process(name) for name in names + extra]
        with ThreadPoolExecutor(len(processes)) as pool:
            states = list(pool.map(lambda process: process.state, processes))
        return [
            {"name": process.name, "pid": process.pid, "state": state, "port": process.port}
            for process, state in zip(processes, states, strict=True)
        ]

    def running(self) -> list[str]:
        """The components that run, without the servers."""
        return [name for name in started_names(self.settings.var) if self._process(name).pid is not None]

    @contextlib.contextmanager
    def servers_up(self, *names: str) -> Iterator[None]:
        """With these servers up; those that did not run are stopped again at the end. Raises ProcessFailed."""
        absent = [name for name in names if self._servers.process(name).pid is None]
        try:
            for name in names:
                self._servers.start(name)
            yield
        finally:
            for name in absent:
                self._servers.stop(name)

    def _runs(self) -> bool:
        """Whether any process of this cluster runs."""
        return bool(self.running()) or any(self._process(name).pid is not None for name in servers.NAMES)

    def _launch(self, name: str) -> None:
        process = self.process(name)
        process.start()

    def _check_ports(self, absent: Sequence[str]) -> None:
        """Raises ProcessFailed unless all that is about to start can listen."""
        ports: list[Port] = []
        for name in absent:
            if self._process(name).state == DEAD:
                self._process(name).stop()  # it may have left children behind
            ports += self._servers.ports(name) if name in servers.NAMES else component_ports(self.settings, name)
        check(ports)

    def _await(self, name: str, started: bool) -> None:
        begun = time.monotonic()
        process = self.process(name)
        process.await_ready(READY_S)
        if started:
            where = f" on port {process.port}" if process.port else ""
            self._say(f"{name:<10} up after {time.monotonic() - begun:.1f} s{where}")

    def _stop(self, names: Sequence[str]) -> list[str]:
        """Stop these components side by side. Returns the names of those that ran."""
        if not names:
            return []
        begun = time.monotonic()
        with ThreadPoolExecutor(len(names)) as pool:
            ran = list(pool.map(lambda name: self.process(name).stop(), names))
        stopped = [name for name, did_run in zip(names, ran, strict=True) if did_run]
        if stopped:
            self._say(f"{', '.join(stopped)} stopped after {time.monotonic() - begun:.1f} s")
        return stopped

    def _create_schema(self) -> None:
        begun = time.monotonic()
        words = schema_command(self._config)
        done = subprocess.run(words, check=False, cwd=ROOT, env=our_environment(), capture_output=True, text=True)
        if done.returncode != 0:
            raise ProcessFailed(f"the schema could not be created:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")
        self._say(f"{'schema':<10} is there after {time.monotonic() - begun:.1f} s")

    def _size_file(self) -> Path:
        return self.settings.var / "run" / "cluster.json"

    def _size(self) -> Size:
        """What the last `up` was asked for; before the first, what is configured."""
        try:
            return Size(**json.loads(self._size_file().read_text()))
        except (FileNotFoundError, ValueError, TypeError):
            return Size(self.settings.cluster.gateways, self.settings.cluster.workers)

    def _size_for(self, gateways: int | None, workers: int | None) -> Size:
        """What was asked for, but at least what was started, because `up` stops nothing. Raises ProcessFailed."""
        started = started_names(self.settings.var)
        known = self._size()
        size = Size(
            max(gateways or known.gateways, *_numbers(started, "g")),
            max(workers or known.workers, *_numbers(started, "w")),
        )
        if size.workers > self.settings.partitions:
            raise ProcessFailed(
                f"{size.workers} ordered workers are too many: each owns at least one of the "
                f"{self.settings.partitions} partitions, whose number is fixed at the first start."
            )
        return size

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One command at a time changes this cluster."""
        run = self.settings.var / "run"
        run.mkdir(parents=True, exist_ok=True)
        with (run / "cluster.lock").open("a") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._say("another command is at work on this cluster: waiting for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield


def _numbers(names: Sequence[str], kind: str) -> list[int]:
    """The numbers of the components whose names begin with `kind`, and a 0, so that there is a largest."""
    return [0] + [int(name[1:]) for name in names if name.startswith(kind)]
