"""What may happen to the cluster on such a day. Each leaves everything running again.

A trouble blocks until it is over; the residents notice it as they would. The faults are those of tests/faults/, where
each stands alone and is judged alone.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import redis

from tests.faults.cluster import FaultCluster
from tests.faults.test_broker import purge

AWAY_S = 3.0
FROZEN_S = 15.0  # longer than leases, heartbeats and transactions last

Strike = Callable[[FaultCluster], None]


@dataclass(frozen=True)
class Trouble:
    """`strike` does it; all partitions acknowledge again at most `limit_s` after it is over."""

    name: str
    strike: Strike
    limit_s: float = 30.0


def _killed(*names: str) -> Strike:
    """kill -9, and after a few seconds all of them are started again, the last one first: others wait for servers."""

    def strike(cluster: FaultCluster) -> None:
        for name in names:
            cluster.kill(name)
        time.sleep(AWAY_S)
        for name in reversed(names):
            cluster.start(name)

    return strike


def _frozen(name: str) -> Strike:
    """SIGSTOP for longer than anything waits for it."""

    def strike(cluster: FaultCluster) -> None:
        cluster.process(name).pause()
        time.sleep(FROZEN_S)
        cluster.process(name).resume()
        cluster.process(name).await_ready()

    return strike


def _broker_wiped(cluster: FaultCluster) -> None:
    cluster.wipe_broker()


def _router_flushed(cluster: FaultCluster) -> None:
    router = cluster.settings.router
    with redis.Redis(router.host, router.port, password=router.password) as client:
        client.flushall()


def _tail_lost(cluster: FaultCluster) -> None:
    """A gateway stands still for a moment, and what waits for it is dropped."""
    cluster.process("g2").pause()
    time.sleep(AWAY_S / 2)
    purge(cluster, "g2")
    cluster.process("g2").resume()


def _third_worker(cluster: FaultCluster) -> None:
    cluster.start("w3")
    time.sleep(AWAY_S)
    cluster.process("w3").stop()


def _rolling_restart(cluster: FaultCluster) -> None:
    cluster.rolling_restart()


TROUBLES = (
    *(Trouble(f"kill -9 of {name}", _killed(name)) for name in ("w1", "w2", "p1", "g1", "g2", "nginx", "nginx-tcp")),
    *(Trouble(f"kill -9 of {name}", _killed(name)) for name in ("rabbitmq", "redis", "mariadb")),
    *(Trouble(f"SIGSTOP of {name} for {FROZEN_S:.0f} s", _frozen(name)) for name in ("w1", "w2", "p1", "g1", "g2")),
    Trouble("kill -9 of w1 and mariadb", _killed("w1", "mariadb")),
    Trouble("kill -9 of g1 and redis", _killed("g1", "redis")),
    Trouble("kill -9 of w2 and rabbitmq", _killed("w2", "rabbitmq")),
    Trouble("RabbitMQ loses its data", _broker_wiped),
    Trouble("FLUSHALL of Redis", _router_flushed),
    Trouble("what waits for g2 is dropped", _tail_lost),
    Trouble("a third worker comes and goes", _third_worker),
    Trouble("rolling restart", _rolling_restart),
)
