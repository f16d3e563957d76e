"""The whole Autobahn suite against Hongyan's WebSocket: scripts/conformance.sh [CASE ...]

Prints a line for each group and the cases that did not simply pass; exit code 1 where one failed.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import Counter
from pathlib import Path

from tests.conformance.suite import echo_gateway, run_cases
from tests.conformance.verdicts import BINARY, Verdict

LARGE = ("9.*",)
GROUPS = {
    1: "framing",
    2: "pings and pongs",
    3: "reserved bits",
    4: "reserved opcodes",
    5: "fragmentation",
    6: "UTF-8",
    7: "closing",
    9: "limits",
    10: "fragments of a fixed size",
    12: "compression",
    13: "compression, parameters",
}


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/conformance.sh", description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("cases", nargs="*", metavar="CASE", help="an id or a glob, such as 7.1.5 or '6.*' (all)")
    parser.add_argument("--var", type=Path, default=Path("var/conformance"), help="where the logs go")
    return parser.parse_args()


def show(title: str, verdicts: list[Verdict], seconds: float) -> None:
    print(f"\n{title}: {len(verdicts)} cases, {sum(not v.is_right for v in verdicts)} failed, {seconds:.0f} s")
    for group in sorted({verdict.group for verdict in verdicts}):
        labels = Counter(verdict.label for verdict in verdicts if verdict.group == group)
        print(f"  {group:3} {GROUPS.get(group, ''):26} " + "; ".join(f"{n} {label}" for label, n in labels.items()))
    for verdict in verdicts:
        if not verdict.is_right or verdict.label in ("NON-STRICT", "INFORMATIONAL"):
            print(f"      {verdict.case:10} {verdict.label}")


async def run(cases: list[str], var: Path) -> bool:
    """Whether all was right."""
    var.mkdir(parents=True, exist_ok=True)
    everything: list[Verdict] = []
    for title, chosen, without, is_wide in (
        ("as the gateway is", cases or ["*"], (), False),
        ("large texts, limits lifted", [] if cases else LARGE, BINARY.cases, True),
    ):
        if not chosen:
            continue
        begun = time.monotonic()
        async with echo_gateway(var / f"{'wide' if is_wide else 'echo'}.log", is_wide=is_wide) as url:
            verdicts = await run_cases(url, chosen, without)
        show(title, verdicts, time.monotonic() - begun)
        everything += verdicts
        if is_wide and not all(verdict.label == "OK" for verdict in verdicts):
            return False
    has_traceback = any("Traceback" in log.read_text() for log in var.glob("*.log"))
    print("tracebacks in the log:", "yes" if has_traceback else "none")
    return bool(everything) and all(verdict.is_right for verdict in everything) and not has_traceback


def main() -> int:
    arguments = parse()
    return 0 if asyncio.run(run(arguments.cases, arguments.var)) else 1


if __name__ == "__main__":
    sys.exit(main())
