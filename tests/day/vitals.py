"""How much memory each process takes and how many rows each table has, looked at all day."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

import psutil
import redis

from store.errors import StoreError
from tests.faults.cluster import OURS, SERVERS, FaultCluster

MIB = 1024 * 1024
TABLES = "SELECT table_name FROM information_schema.tables WHERE table_schema = DATABASE() ORDER BY table_name"
FAILS = (StoreError, OSError, redis.RedisError)


@dataclass
class Vitals:
    """Each figure by name as a line of (seconds since the beginning, value). Memory is in MiB; rows are counts."""

    memory: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    rows: dict[str, list[tuple[float, float]]] = field(default_factory=dict)
    there: list[tuple[float, float]] = field(default_factory=list)
    began: float = field(default_factory=time.monotonic)

    def look(self, cluster: FaultCluster, there: int) -> None:
        """Add one point to each line; what is away just now has none."""
        at = time.monotonic() - self.began
        self.there.append((at, there))
        for name in (*OURS, *SERVERS, "nginx"):
            if (resident := _resident_bytes(cluster.process(name).pid)) is not None:
                self.memory.setdefault(name, []).append((at, resident / MIB))
        try:
            for table, count in [*_tables(cluster), ("keys of Redis", _keys(cluster))]:
                self.rows.setdefault(table, []).append((at, count))
        except FAILS:
            pass  # it is being killed

    def peaks(self) -> dict[str, float]:
        """The most that each process took, MiB."""
        return {name: max(value for _, value in line) for name, line in self.memory.items()}


def _resident_bytes(pid: int | None) -> int | None:
    """Of a process and what it has started."""
    try:
        first = psutil.Process(pid) if pid is not None else None
        family = [first, *first.children(recursive=True)] if first is not None else []
        return sum(process.memory_info().rss for process in family) if family else None
    except psutil.Error:
        return None


def _tables(cluster: FaultCluster) -> list[tuple[str, float]]:
    with cluster.database.reading() as tx:
        names = [str(name) for (name,) in tx.rows(TABLES)]
        return [(name, float(tx.rows(f"SELECT COUNT(*) FROM {name}")[0][0])) for name in names]


def _keys(cluster: FaultCluster) -> float:
    router = cluster.settings.router
    with redis.Redis(router.host, router.port, password=router.password) as client:
        return float(client.dbsize())
