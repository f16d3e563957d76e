"""A day in the life of a town on a cluster of its own, with a random trouble each minute: scripts/day.sh --help

Exit code 1 where something was lost, doubled, reordered, leaked or refused without a reason, where a process logged a
fault of ours, or where partitions acknowledged nothing for too long after a trouble.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import json
import secrets
import sys
import time
from dataclasses import asdict
from pathlib import Path

from tests.day.charts import draw
from tests.day.day import Day, Report
from tests.day.town import Pace
from tests.faults.cluster import FaultCluster
from tests.private_servers import private_run

MINUTES = 60


def parse() -> argparse.Namespace:
    pace = Pace()
    parser = argparse.ArgumentParser(prog="scripts/day.sh", description=(__doc__ or "").partition(":")[0] + ".")
    parser.add_argument("--minutes", type=int, default=MINUTES, help=f"and as many troubles ({MINUTES})")
    parser.add_argument("--residents", type=int, default=pace.residents, help=f"({pace.residents})")
    parser.add_argument("--acts", type=float, default=pace.acts_per_s, help=f"of all, a second ({pace.acts_per_s:.0f})")
    parser.add_argument("--seed", help="of a day that is to be repeated (a new one)")
    parser.add_argument("--out", type=Path, default=Path("var/day"), help="for report and pictures (var/day)")
    return parser.parse_args()


def show(report: Report, seconds: float) -> None:
    print(f"seed {report.seed}: {seconds / 60:.0f} minutes, {report.done}")
    for name in sorted({name for name, _ in report.recovered}):
        times = [taken for trouble, taken in report.recovered if trouble == name]
        print(f"{name:<40} {len(times)} times; acknowledged again after {min(times):.1f} to {max(times):.1f} s")
    print("most memory, MiB: " + ", ".join(f"{name} {peak:.0f}" for name, peak in report.vitals.peaks().items()))
    for finding in report.findings[:100]:
        print("FOUND", finding)
    print(f"{len(report.findings)} findings" if report.findings else "nothing found")


def main() -> int:
    arguments = parse()
    seed = arguments.seed or f"d{secrets.randbits(20):x}"
    pace = Pace(residents=arguments.residents, acts_per_s=arguments.acts)
    tell = functools.partial(print, flush=True)
    tell(f"seed {seed}: servers, gateways, workers and doors start")
    began = time.monotonic()
    with private_run("-day") as private:
        cluster = FaultCluster(private)
        try:
            cluster.heal()
            cluster.open_doors()
            report = asyncio.run(Day(cluster, pace, arguments.minutes, seed, tell).run())
        finally:
            cluster.close()
    pictures = draw(report.vitals, arguments.out)
    (arguments.out / "report.json").write_text(json.dumps(asdict(report), indent=1))
    show(report, time.monotonic() - began)
    print("pictures:", *pictures)
    return 1 if report.findings else 0


if __name__ == "__main__":
    sys.exit(main())
