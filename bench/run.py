"""One run of the bench: its cluster, its plan, and every raw measurement in the order in which it was made.

Law: a measurement that broke the promise (bench/check.py) or was refused anything ends the run with PromiseBroken.
"""

from __future__ import annotations

import secrets
from typing import Any

import msgspec

from bench import usage
from bench.echo_process import echo_server
from bench.load_process import LoadProcess
from bench.loads.echo import EchoJob
from bench.loads.pairs import PairsJob
from bench.plan import Plan
from bench.private_cluster import PrivateCluster
from ops.seed import seed, seed_groups

SEND_FRAME_BYTES = 150  # about what a send of bench/loads/pairs.py has


class PromiseBroken(Exception):
    """Something was lost, doubled, out of order or refused; the message says what."""


class Run:
    """`raw` is everything measured so far."""

    def __init__(self, cluster: PrivateCluster, plan: Plan) -> None:
        self.cluster = cluster
        self.plan = plan
        self.raw: list[dict[str, Any]] = []
        self._users: list[tuple[str, str]] = []

    def __repr__(self) -> str:
        return f"Run({self.plan.name}, {len(self.raw)} measurements, {self.cluster})"

    def users(self, count: int) -> list[tuple[str, str]]:
        """The first `count` users with their tokens; those who are missing are made."""
        if len(self._users) < count:
            self._users = list(seed(self.cluster.settings, count, 0, 0).users.items())
        return self._users[:count]

    def group(self, members: int) -> tuple[str, list[str]]:
        """A group of so many, and its members' tokens, the owner's first. Nobody of it is online yet."""
        made = seed(self.cluster.settings, members, 1, members, "m")
        return made.groups[0], list(made.users.values())

    def groups(self, count: int, members: int) -> list[tuple[str, list[tuple[str, str]]]]:
        """So many groups of so many, each with its (user, token)s: nobody is in two. Nobody of them is online yet."""
        everyone = list(seed(self.cluster.settings, count * members, 0, 0, "s").users.items())
        made = [(f"sg{number}", everyone[number::count]) for number in range(count)]
        seed_groups(self.cluster.settings, {group: [user for user, _ in users] for group, users in made})
        return made

    def road_rates(self) -> list[float]:
        """The rates of private messages over one gateway and one worker so far; measured now where there are none."""
        if not any(raw["name"] == "road" for raw in self.raw):
            self.road()
        return [float(raw["rate"]) for raw in self.raw if raw["name"] == "road"]

    def measure(self, name: str, job: msgspec.Struct, pids: dict[str, int] | None = None) -> dict[str, Any]:
        """Run a load with its window watched; `pids` are the processes that serve it, the cluster's by default."""
        pids = dict(self.cluster.pids() if pids is None else pids)
        with LoadProcess(job) as load:
            pids["generator"] = load.pid
            load.await_mark("begin")
            begun = usage.look(pids)
            load.await_mark("end")
            cores = usage.shares(begun, usage.look(pids))
            result = load.result()
        if "rate" in result:
            result["cpu_us"] = {who: round(1e6 * share / result["rate"], 1) for who, share in cores.items()}
        return self.record(name, {**result, "cores": cores})

    def record(self, name: str, result: dict[str, Any]) -> dict[str, Any]:
        """Keep a measurement. Raises PromiseBroken."""
        found = {"name": name, **result}
        self.raw.append(found)
        if found.get("violations") or found.get("errors"):
            raise PromiseBroken(f"{name}: violations {found.get('violations')}, refused {found.get('errors')}")
        rate = f"{found['rate']:,.0f}/s" if "rate" in found else ""
        print(f"  {name:<8} {rate:>12}  {_shown(found.get('cores', {}))}", flush=True)
        return found

    def echo(self) -> float:
        """The rate of bare Tornado, once."""
        plan = self.plan
        with echo_server(self.cluster.echo_port) as pid:
            job = EchoJob(
                f"ws://127.0.0.1:{self.cluster.echo_port}/echo",
                plan.echo_connections,
                plan.echo_window,
                SEND_FRAME_BYTES,
                plan.echo_warm_up_s,
                plan.echo_window_s,
            )
            return float(self.measure("echo", job, {"tornado": pid})["rate"])

    def road(self, name: str = "road", gateways: int = 1) -> float:
        """The rate of private messages, once, over so many gateways."""
        rate = float(self.measure(name, self.pairs_job(gateways, self.plan.window_s))["rate"])
        for gateway in range(1, gateways + 1):
            self.cluster.await_closed(gateway)
        return rate

    def through_door(self, name: str) -> float:
        """The same, once, through nginx."""
        rate = float(self.measure(name, self._pairs_job([self.cluster.door_url], self.plan.window_s))["rate"])
        self.cluster.await_closed()
        return rate

    def pairs_job(self, gateways: int, seconds: float) -> PairsJob:
        return self._pairs_job([self.cluster.url(number) for number in range(1, gateways + 1)], seconds)

    def _pairs_job(self, urls: list[str], seconds: float) -> PairsJob:
        users = self.users(self.plan.pair_connections)
        return PairsJob(urls, users, new_tag(), self.plan.pair_window, self.plan.warm_up_s, seconds)


def new_tag() -> str:
    """Begins the cids of one load: nobody used them before."""
    return secrets.token_hex(4) + "-"


def _shown(cores: dict[str, float]) -> str:
    """Who used how much of a core, the busy ones."""
    return " ".join(f"{name} {share:.2f}" for name, share in cores.items() if share >= 0.005)
