"""Mutated frames over WebSocket, TCP and long-poll against a running system: scripts/fuzz.sh --help

Exit code 1 where something was found: a fault of ours in an answer or in the log, an answer that did not come, memory
that grew, a process that died.
"""

from __future__ import annotations

import argparse
import asyncio
import functools
import secrets
import shutil
import sys
from pathlib import Path

from tests.fuzz.campaign import MAX_GROWTH_BLOCKS, MAX_GROWTH_BYTES, MIB, Campaign, Outcome

FRAMES, ROUNDS = 1_000_000, 10
MARK = ".fuzz"  # in a directory that a run has made


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/fuzz.sh", description=(__doc__ or "").partition(":")[0] + ".")
    parser.add_argument("--frames", type=int, default=FRAMES, help=f"how many mutations are to be read ({FRAMES})")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"with a rest after each ({ROUNDS})")
    parser.add_argument("--seed", type=int, help="of a run that is to be repeated (a new one)")
    parser.add_argument(
        "--cluster", action="store_true", help="a cluster, to see a gateway's memory alone (standalone)"
    )
    parser.add_argument("--var", type=Path, default=Path("var/fuzz"), help="for data and log; a former run's go")
    return parser.parse_args()


def clear(var: Path) -> None:
    """Make `var` an empty directory of ours: what a former run left there goes. Ends the process where `var` holds
    anything else, which is somebody's."""
    mark = var / MARK
    if var.exists() and not mark.exists() and (not var.is_dir() or any(var.iterdir())):
        sys.exit(f"scripts/fuzz.sh: {var} was not made by a former run, so it is left alone; name another by --var.")
    if var.exists():
        shutil.rmtree(var)
    var.mkdir(parents=True)
    mark.touch()


def show(outcome: Outcome) -> None:
    rests = outcome.rests
    print(f"seed {outcome.seed}: {sum(outcome.sent.values())} mutations sent in {outcome.seconds:.0f} s {outcome.sent}")
    print(f"of these read by the gateway, at least: {outcome.read}; connections: {outcome.connections}")
    print(f"answers: {outcome.replies} replies, refusals {dict(outcome.codes.most_common())}")
    print(f"closes (0: without a code): {dict(outcome.closes.most_common())}")
    print(f"largest frame of the server: {outcome.largest} bytes")
    print("needed at rest, MiB: " + " ".join(f"{rest.resident_bytes / MIB:.1f}" for rest in rests))
    print("resident before the rest, MiB: " + " ".join(f"{rest.found_bytes / MIB:.1f}" for rest in rests))
    print("blocks of Python at rest: " + " ".join(str(rest.blocks) for rest in rests))
    print("files open at rest: " + " ".join(str(rest.files) for rest in rests))
    print(f"connections and commands left at the end: {rests[-1].connections}, {rests[-1].pending}")
    print(f"honest sends: {len(outcome.latencies_ms)}, p99 {outcome.p99_ms:.0f} ms, each answered and received")
    for finding in outcome.findings:
        print("FOUND", finding)


def verdict(outcome: Outcome) -> list[str]:
    """What is not as it should be."""
    wrong = [f"{len(outcome.findings)} findings"] if outcome.findings else []
    growth_bytes, growth_blocks = outcome.growth
    if growth_bytes > MAX_GROWTH_BYTES or growth_blocks > MAX_GROWTH_BLOCKS:
        wrong.append(f"what is needed at rest grew by {growth_bytes / MIB:.1f} MiB, {growth_blocks} blocks")
    return wrong


def main() -> int:
    arguments = parse()
    clear(arguments.var)
    seed = secrets.randbits(32) if arguments.seed is None else arguments.seed
    print(f"seed {seed}", flush=True)
    tell = functools.partial(print, flush=True)
    campaign = Campaign(arguments.var.absolute(), seed, arguments.frames, arguments.rounds, tell)
    outcome = asyncio.run(campaign.run())
    show(outcome)
    wrong = verdict(outcome)
    print("; ".join(wrong) or "nothing found")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
