"""Loads on one cluster, each watched while it lasts; every raw measurement in the order in which it was made.

Law: a measurement that broke the promise (bench/check.py) or was refused anything ends all with PromiseBroken.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import msgspec

from bench import usage
from bench.load_process import LoadFailed, LoadProcess
from bench.loads.pairs import PairsJob
from bench.plan import Plan
from ops.seed import Seed

GENERATOR = "generator"
NOT_OURS = (GENERATOR, "others", "stolen")


class PromiseBroken(Exception):
    """Something was lost, doubled, out of order or refused; the message says what."""


class Cluster(Protocol):
    """What a measurement asks of the cluster under it."""

    def seed(self, users: int, groups: int, members: int, prefix: str) -> Seed:
        """Users and groups with ids that begin with the prefix, and a new token for each user."""

    def pids(self) -> dict[str, int]:
        """The processes that serve, by name; each stands for what it starts, too."""

    def url(self, gateway: int = 1) -> str:
        """A gateway's WebSocket."""

    def connections(self, gateway: int = 1) -> int:
        """How many WebSockets a gateway holds."""

    def await_closed(self, gateway: int = 1) -> None:
        """Return when it holds none any more. Raises ProcessFailed."""

    def restart(self, name: str) -> None:
        """Stop a process in order and start it."""


class Measurements:
    """`raw` is everything measured so far; `say` is told each in a line."""

    def __init__(self, cluster: Cluster, plan: Plan, say: Callable[[str], None] = print) -> None:
        self.cluster = cluster
        self.plan = plan
        self.raw: list[dict[str, Any]] = []
        self._say = say
        self._users: list[tuple[str, str]] = []
        self._groups: dict[int, tuple[str, list[str]]] = {}

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.plan.name}, {len(self.raw)} measurements, {self.cluster})"

    def users(self, count: int) -> list[tuple[str, str]]:
        """The first `count` users with their tokens; those who are missing are made."""
        if len(self._users) < count:
            self._users = list(self.cluster.seed(count, 0, 0, "u").users.items())
        return self._users[:count]

    def group(self, members: int) -> tuple[str, list[str]]:
        """A group of so many, and its members' tokens, the owner's first. Nobody of it is online when it is made."""
        if members not in self._groups:
            made = self.cluster.seed(members, 1, members, "m")
            self._groups[members] = made.groups[0], list(made.users.values())
        return self._groups[members]

    def measure(self, name: str, job: msgspec.Struct, pids: dict[str, int] | None = None) -> dict[str, Any]:
        """Run a load with its window watched; `pids` are the processes that serve it, the cluster's by default.

        `cores` is what each used, `cpu_us` the same for one of what "rate" counts, in microseconds. Raises LoadFailed.
        """
        pids = dict(self.cluster.pids() if pids is None else pids)
        with LoadProcess(job) as load:
            pids[GENERATOR] = load.pid
            load.await_mark("begin")
            begun = usage.look(pids)
            load.await_mark("end")
            ended = usage.look(pids)
            result = load.result()
        result["cores"] = usage.shares(begun, ended)
        if "rate" in result:
            result["cpu_us"] = each_us(begun, ended, result["rate"] * (ended.at - begun.at))
        return self.record(name, result)

    def record(self, name: str, result: dict[str, Any]) -> dict[str, Any]:
        """Keep a measurement. Raises PromiseBroken."""
        found = {"name": name, **result}
        self.raw.append(found)
        if found.get("violations") or found.get("errors"):
            raise PromiseBroken(f"{name}: violations {found.get('violations')}, refused {found.get('errors')}")
        rate = f"{found['rate']:,.0f}/s" if "rate" in found else ""
        self._say(f"  {name:<8} {rate:>12}  {_shown(found.get('cores', {}))}")
        return found

    def road(self, name: str = "road", gateways: int = 1) -> float:
        """The rate of private messages, once, over so many gateways."""
        rate = float(self.measure(name, self.pairs_job(gateways, self.plan.window_s))["rate"])
        for gateway in range(1, gateways + 1):
            self.cluster.await_closed(gateway)
        return rate

    def pairs_job(self, gateways: int, seconds: float) -> PairsJob:
        """Private messages straight to so many gateways."""
        return self.pairs_job_at([self.cluster.url(number) for number in range(1, gateways + 1)], seconds)

    def pairs_job_at(self, urls: list[str], seconds: float) -> PairsJob:
        users = self.users(self.plan.pair_connections)
        return PairsJob(urls, users, new_tag(), self.plan.pair_window, self.plan.warm_up_s, seconds)


def each_us(begin: usage.Moment, end: usage.Moment, count: float) -> dict[str, float]:
    """CPU of each process between the two for one of so many, in microseconds. Raises LoadFailed."""
    if gone := [name for name, used in end.processes.items() if not used]:
        raise LoadFailed(f"{', '.join(gone)} ended under the load")
    return {name: round(1e6 * used / count, 3) for name, used in usage.spent(begin, end).items()}


def ours(cpu_us: Mapping[str, float]) -> dict[str, float]:
    """Without what does not serve: the generator, and what else goes on on this machine."""
    return {name: each for name, each in cpu_us.items() if name not in NOT_OURS}


def new_tag() -> str:
    """Begins the cids of one load: nobody used them before."""
    return secrets.token_hex(4) + "-"


def _shown(cores: dict[str, float]) -> str:
    """Who used how much of a core, the busy ones."""
    return " ".join(f"{name} {share:.2f}" for name, share in cores.items() if share >= 0.005)
