"""`scripts/bench.sh compare A B`: what B costs more than A.

Exit codes: 0 at most so much more, 1 more, or a promise was broken, or something failed, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import fcntl
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from bench.compare import report
from bench.compare.checkout import BadCommit, Checkout, Commit, check_out, has_changes, remove_all, resolve, set_up
from bench.compare.cluster import cluster_of, remove_left
from bench.compare.comparison import A, B, Comparison
from bench.compare.costs import LOADS
from bench.compare.scripts import ScriptFailed
from bench.load_process import LoadFailed
from bench.measurements import Cluster, PromiseBroken
from bench.plan import FULL, Plan
from ops.processes import ProcessFailed
from ops.templates import ROOT

HOME = ROOT / "var" / "compare"
CHECKOUTS, CLUSTERS = "commits", "clusters"
EPILOG = """\
Each commit is checked out below var/compare, set up and started by its own scripts, on free ports. In each pair both
get every load, one after the other, from the generator of this checkout; who comes first takes turns. A cost is the CPU
of all processes of a cluster, servers included, for one message, delivery, login or second of an idle connection, and
the memory that an idle connection takes at its gateway. The median of the pairs' ratios counts. Everything that was
measured is written to var/compare/compare-DATE.json.

  scripts/bench.sh compare HEAD~1 HEAD                    the last commit
  scripts/bench.sh compare HEAD HEAD                      what chance alone makes of it
  scripts/bench.sh compare main HEAD --only road --pairs 3

Checkouts stay for the next time. --clean removes them, and stops what a killed comparison left behind, as the next
comparison does, too.
"""


class Busy(Exception):
    """Another comparison is under way; the message says where."""


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/bench.sh compare",
        description="What commit B costs more than commit A; exit code 1 where that is more than --at-most.",
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("commits", nargs="*", metavar="COMMIT", help="A, then B: whatever git knows as a commit")
    parser.add_argument("--pairs", type=_at_least(1), default=7, metavar="N", help="pairs of measurements (7)")
    parser.add_argument("--only", type=_loads, default=list(LOADS), metavar="NAMES", help=f"of {','.join(LOADS)} (all)")
    parser.add_argument("--seconds", type=_seconds, default=8.0, metavar="S", help="of each window (8)")
    parser.add_argument(
        "--connections", type=_at_least(10), default=2000, metavar="N", help="idle, in the group, logging in (2000)"
    )
    parser.add_argument("--at-most", type=float, default=5.0, metavar="PERCENT", help="that B may cost more (5)")
    parser.add_argument("--json", action="store_true", help="JSON instead of the table")
    parser.add_argument("--home", type=Path, default=HOME, metavar="DIRECTORY", help="of all this (var/compare)")
    parser.add_argument("--clean", action="store_true", help="only remove what earlier comparisons left")
    options = parser.parse_args(words)
    if len(options.commits) != (0 if options.clean else 2):
        parser.error("--clean takes no commits" if options.clean else "name two commits, such as HEAD~1 HEAD")
    return options


def _at_least(least: int) -> Callable[[str], int]:
    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} on")
        return int(text)

    return number


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.5 <= seconds <= 600:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0.5 to 600")
    return seconds


def _loads(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in LOADS:
            raise argparse.ArgumentTypeError(f"there is no {name!r}; there are {','.join(LOADS)}")
    return list(dict.fromkeys(names))


def main(words: list[str]) -> int:
    options = parse(words)
    try:
        with _alone(options.home):
            remove_left(options.home / CLUSTERS / A)
            remove_left(options.home / CLUSTERS / B)
            return _clean(options.home) if options.clean else _compare(options)
    except (BadCommit, Busy, LoadFailed, OSError, ProcessFailed, PromiseBroken, ScriptFailed) as error:
        _say(f"scripts/bench.sh compare: {error}")
    except KeyboardInterrupt:
        _say("interrupted: all was stopped")
    return 1


def _compare(options: argparse.Namespace) -> int:
    commits = {A: resolve(options.commits[0]), B: resolve(options.commits[1])}
    if has_changes():
        _say("what is not committed in this checkout is not compared")
    checkouts = {side: _prepare(side, commit, options.home) for side, commit in commits.items()}
    plan = plan_of(options.seconds, options.connections)
    with contextlib.ExitStack() as stack:
        clusters: dict[str, Cluster] = {}
        for side, checkout in checkouts.items():
            begun = time.monotonic()
            clusters[side] = stack.enter_context(cluster_of(checkout, options.home / CLUSTERS / side))
            _say(f"{side} its cluster is up after {time.monotonic() - begun:.1f} s")
        comparison = Comparison(clusters, plan, options.only, _say)
        _say("users and groups are made")
        comparison.seed()
        try:
            _take_pairs(comparison, options.pairs)
        finally:
            is_within = _publish(options, commits, plan, comparison)
    return 0 if is_within else 1


def _prepare(side: str, commit: Commit, home: Path) -> Checkout:
    _say(f"{side} is {commit.name}: {commit.title}")
    checkout = check_out(commit, home / CHECKOUTS)
    set_up(checkout, lambda line: _say(f"{side} {line}"))
    return checkout


def plan_of(seconds: float, connections: int) -> Plan:
    """The full plan, with windows and crowds of another size."""
    return dataclasses.replace(
        FULL,
        name="compare",
        warm_up_s=min(FULL.warm_up_s, seconds),
        window_s=seconds,
        echo_window_s=seconds,
        idle_s=seconds,
        idle=connections,
        group=connections,
        logins=connections,
        pair_connections=min(FULL.pair_connections, connections // 2 * 2),
    )


def _take_pairs(comparison: Comparison, pairs: int) -> None:
    begun = time.monotonic()
    for number in range(pairs):
        _say(f"pair {number + 1} of {pairs}")
        comparison.take_pair(number)
        left = (pairs - number - 1) * (time.monotonic() - begun) / (number + 1)
        if left:
            _say(f"  about {left / 60:.0f} min to go" if left > 90 else f"  about {left:.0f} s to go")


def _publish(options: argparse.Namespace, commits: dict[str, Commit], plan: Plan, comparison: Comparison) -> bool:
    """Say and write what was found, also by a comparison that did not come to its end. False: B costs more."""
    verdicts = comparison.verdicts(options.at_most)
    if not verdicts:
        return True
    stamp = time.strftime("%Y%m%d-%H%M%S")
    found = report.document(stamp, commits, plan, comparison, verdicts)
    target = options.home / f"compare-{stamp}.json"
    target.write_text(json.dumps({**found, "raw": comparison.measured}, indent=1, ensure_ascii=False) + "\n")
    print(
        json.dumps(found, indent=1, ensure_ascii=False) if options.json else report.text(commits, comparison, verdicts)
    )
    _say(f"written to {target}")
    return bool(found["is_within"])


def _clean(home: Path) -> int:
    removed = remove_all(home / CHECKOUTS)
    print("\n".join(f"removed {home / CHECKOUTS / name}" for name in removed) or "there was nothing to remove")
    return 0


@contextlib.contextmanager
def _alone(home: Path) -> Iterator[None]:
    """Nobody else compares here meanwhile. Raises Busy."""
    home.mkdir(parents=True, exist_ok=True)
    with (home / "lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Busy(f"another comparison is under way in {home}; at once both would measure each other.") from None
        yield


def _say(line: str) -> None:
    """Progress: standard output is for what was found."""
    print(line, file=sys.stderr, flush=True)
