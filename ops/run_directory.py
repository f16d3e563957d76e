"""A directory, a configuration and ports for each run of something that starts a cluster of its own.

Laws: a run that lives holds the lock in its directory, so that several go on at once in one checkout. What a killed run
left behind is stopped and removed by the next of its kind; a run that failed keeps its logs until then. A cluster keeps
to its block of ports, and no two have the same, wherever they are started from.
"""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import socket
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from conf.secrets import generate
from ops.probes import is_port_free
from ops.servers.rabbitmq import internal_ports

CONFIGURATION = "cluster.toml"
LOCK = "lock"
BLOCK = 100
# The last port of a block is nobody's: whoever chooses the block listens there until what is started listens, too. That
# takes seconds, so the last few are enough, and a long run does not use all blocks up.
_claims: deque[socket.socket] = deque(maxlen=4)


@contextmanager
def create(runs: Path, configuration: str, ports: Mapping[str, int], suffix: str = "") -> Iterator[Path]:
    """The configuration file of a new directory under `runs`, with secrets beside it; all is removed at the end.

    In `configuration` {var} and the names of `ports` are filled in. Another directory of the same process has a suffix.
    """
    var = runs / f"run-{os.getpid()}{suffix}"
    # Under its own name only once it is locked: others take what is not locked for dead.
    unlocked = runs / f".{var.name}"
    unlocked.mkdir(parents=True, exist_ok=True)
    with (unlocked / LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        unlocked.rename(var)
        generate(var)
        (var / CONFIGURATION).write_text(configuration.format(var=var, **ports))
        yield var / CONFIGURATION
    shutil.rmtree(var, ignore_errors=True)


def remove_dead(runs: Path, down: Callable[[Path], None]) -> None:
    """Remove the directories of runs that no longer live; `down` stops what still runs by a configuration file."""
    for run in runs.glob("run-*"):
        try:
            lock = (run / LOCK).open("a")
        except FileNotFoundError:  # it ended just now
            continue
        with lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            if (run / CONFIGURATION).exists():
                down(run / CONFIGURATION)
            shutil.rmtree(run, ignore_errors=True)


def free_ports(places: Mapping[str, int], unnamed: Iterable[int] = ()) -> dict[str, int]:
    """Ports by name, each at its place counted from the start of one block of ports.

    Nobody listens at these, at the `unnamed` places, or at the ports that RabbitMQ derives from `bus`. The block is
    below the ports that the system hands out by itself.
    """
    while True:
        base = random.randrange(21_000, 31_000, BLOCK)
        ports = {name: base + place for name, place in places.items()}
        wanted = [*ports.values(), *internal_ports(ports["bus"]), *(base + place for place in unnamed)]
        if all(is_port_free("127.0.0.1", port) for port in wanted) and _claim(base + BLOCK - 1):
            return ports


def _claim(port: int) -> bool:
    """Listen there; False where another process, or this one, does."""
    try:
        claim = socket.create_server(("127.0.0.1", port))
    except OSError:
        return False
    if len(_claims) == _claims.maxlen:
        _claims.popleft().close()
    _claims.append(claim)
    return True
