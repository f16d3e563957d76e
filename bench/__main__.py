"""`scripts/bench.sh`: load on a private cluster, and figures.

Exit codes: 0 fine, 1 a must was missed in a full run, a promise was broken or something failed, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType

from bench.compare.command import main as compare
from bench.compare.scripts import INTERRUPTING
from bench.figures import door, group, idle, latency, logins, road, scaling, slow, storm
from bench.figures.figure import Figure
from bench.load_process import LoadFailed
from bench.measurements import PromiseBroken
from bench.plan import FULL, QUICK
from bench.private_cluster import RUNS, private_cluster
from bench.profile import profile, profile_storm
from bench.report import disturbance, table, write
from bench.run import Run
from conf.mistakes import BadSettings
from conf.settings import PREFIX
from ops.processes import ProcessFailed
from ops.programs import MissingServer

MEASURES: dict[str, Callable[[Run], Figure]] = {
    "road": road.measure,
    "door": door.measure,
    "latency": latency.measure,
    "logins": logins.measure,
    "idle": idle.measure,
    "scaling": scaling.measure,
    "group": group.measure,
    "slow": slow.measure,
    "storm": storm.measure,
}
MODES = ("quick", "profile")
PROFILE_S = 10
QUICK_BEGINS_S = 44.0  # what a quick run has not begun by then it leaves out, to end within a minute
EPILOG = """\
modes:
  (none)    the full run: medians of interleaved runs; exit code 1 where a `must` is missed
  quick     a look in less than a minute: short runs, smaller crowds; no verdict by exit code. Where
            the machine is busy, what would not end in time is left out
  profile   private messages at full load for 10 s while py-spy records the gateway (g1) and the ordered worker (w1):
            var/bench/profile-DATE.txt lists the top functions by own time, profile-DATE-g1.raw and -w1.raw hold the
            collapsed stacks that flame graph programs read; needs the right to trace processes (root).
            profile storm: the gateway that clients come to (g2) and p1 instead, when g1 is killed
  compare   what a commit costs more than another: compare --help
"""


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench.sh",
        description="Starts a private cluster, puts load on it from a process of its own, prints a table and writes "
        "var/bench/bench-DATE.json. Figures compare with bare Tornado on the same machine in the same run.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "words", nargs="*", metavar="quick|profile|compare|NAME", help=f"NAMEs: {', '.join(MEASURES)} (all)"
    )
    options = parser.parse_args(words)
    options.mode = options.words.pop(0) if options.words and options.words[0] in MODES else "full"
    for word in options.words:
        if word not in MEASURES:
            parser.error(f"there is no figure {word!r}; there are {', '.join(MEASURES)}")
    return options


def run_figures(run: Run, names: list[str], stamp: str, begun: float) -> int:
    figures: list[Figure] = []
    try:
        for name in names or MEASURES:
            if run.plan is QUICK and time.monotonic() - begun > QUICK_BEGINS_S:
                print(f"  {name:<8} left out: this machine is too busy for all in a minute")
            else:
                figures.append(MEASURES[name](run))
    finally:
        target = write(RUNS, stamp, run.plan, figures, run.raw)
        print(f"\n{table(figures)}\n\n{disturbance(run.raw)}\nwritten to {target}")
    is_missed = run.plan is FULL and not all(figure.meets_must for figure in figures)
    return 1 if is_missed else 0


def interrupt(number: int, frame: FrameType | None) -> None:
    """Once: whoever asks again while all is being stopped in order would leave processes behind."""
    for other in INTERRUPTING:
        signal.signal(other, signal.SIG_IGN)
    print("interrupted: stopping what was started, which takes some seconds", file=sys.stderr)
    raise KeyboardInterrupt


def main(words: list[str]) -> int:
    for variable in [name for name in os.environ if name.startswith(PREFIX)]:
        del os.environ[variable]  # the bench measures what ships, not what this shell has set
    for number in INTERRUPTING:  # stopped by any hand, it stops what it started
        signal.signal(number, interrupt)
    if words[:1] == ["compare"]:
        return compare(words[1:])
    options = parse(words)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    begun = time.monotonic()
    try:
        with private_cluster() as cluster:
            print(f"a private cluster is up after {time.monotonic() - begun:.1f} s; cores used by each are shown:")
            run = Run(cluster, FULL if options.mode == "full" else QUICK)
            if options.mode == "profile":
                record = profile_storm if options.words == ["storm"] else profile
                print(record(run, RUNS, stamp, PROFILE_S).read_text())
                return 0
            return run_figures(run, options.words, stamp, begun)
    except (BadSettings, LoadFailed, MissingServer, OSError, ProcessFailed, PromiseBroken) as error:
        print(f"scripts/bench.sh: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 1
    finally:
        print(f"ended after {time.monotonic() - begun:.1f} s")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
