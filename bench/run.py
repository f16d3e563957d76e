"""One run of the bench: its private cluster, its plan, and what only a cluster of this checkout can be asked."""

from __future__ import annotations

from bench.echo_process import echo_server
from bench.loads.echo import EchoJob
from bench.measurements import Measurements
from bench.plan import Plan
from bench.private_cluster import PrivateCluster
from ops.seed import seed_groups

SEND_FRAME_BYTES = 150  # about what a send of bench/loads/pairs.py has


class Run(Measurements):
    """Measurements beside bare Tornado and through the door."""

    cluster: PrivateCluster

    def __init__(self, cluster: PrivateCluster, plan: Plan) -> None:
        super().__init__(cluster, plan, lambda line: print(line, flush=True))

    def groups(self, count: int, members: int) -> list[tuple[str, list[tuple[str, str]]]]:
        """So many groups of so many, each with its (user, token)s: nobody is in two. Nobody of them is online yet."""
        everyone = list(self.cluster.seed(count * members, 0, 0, "s").users.items())
        made = [(f"sg{number}", everyone[number::count]) for number in range(count)]
        seed_groups(self.cluster.settings, {group: [user for user, _ in users] for group, users in made})
        return made

    def road_rates(self) -> list[float]:
        """The rates of private messages over one gateway and one worker so far; measured now where there are none."""
        if not any(raw["name"] == "road" for raw in self.raw):
            self.road()
        return [float(raw["rate"]) for raw in self.raw if raw["name"] == "road"]

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

    def through_door(self, name: str) -> float:
        """The rate of private messages, once, through nginx."""
        rate = float(self.measure(name, self.pairs_job_at([self.cluster.door_url], self.plan.window_s))["rate"])
        self.cluster.await_closed()
        return rate
