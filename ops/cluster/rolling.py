"""`scripts/drain.sh NAME` and `scripts/rolling_restart.sh`: take components out of service while the others serve.
Clients reconnect within a second or so, and no message is lost.

A gateway is first told to drain: it says so in its lease, and the door sends newcomers elsewhere within 2 s. Then it is
asked to stop, and sends its clients away a few at a time. A worker hands its partitions over as it stops.

Exit codes: 0 fine, 1 failed, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence

from ops.cluster.command import add_config, exit_code, open_deployment
from ops.cluster.components import DOORS, LOG_ROTATION, is_gateway
from ops.cluster.deployment import Deployment, UnknownComponent
from ops.servers import servers

DRAIN = "Stop one component once everyone went elsewhere: a gateway's newcomers and clients, a worker's partitions."
RESTART = "Drain and restart gateways, then workers, one after the other; clients reconnect, no message is lost."
NOTICE_S = 2.0  # the door asks the router each second


def drain(deployment: Deployment, name: str) -> None:
    """Stop a component of ours after everyone went elsewhere. Raises ProcessFailed, UnknownComponent."""
    if name not in ours(deployment):
        raise UnknownComponent(f"only our own processes drain: {', '.join(ours(deployment))}, not {name!r}")
    process = deployment.process(name)
    pid = process.pid
    if pid is None:
        print(f"{name} does not run; scripts/cluster.sh restart {name} starts it")
        return
    begun = time.monotonic()
    if is_gateway(name):
        os.kill(pid, signal.SIGUSR1)
        print(f"{name} is draining: newcomers go elsewhere within {NOTICE_S:.0f} s, its clients follow")
        time.sleep(NOTICE_S)
    process.stop()
    print(f"{name} drained and stopped after {time.monotonic() - begun:.1f} s")


def rolling_restart(deployment: Deployment, names: Sequence[str]) -> None:
    """Drain and start again one after the other: the next begins when the last serves. Raises ProcessFailed."""
    for name in names:
        deployment.check_servers(name)  # before it is gone
        drain(deployment, name)
        deployment.restart(name)
        if is_gateway(name):
            time.sleep(NOTICE_S)  # the door must know it again before the next one goes


def ours(deployment: Deployment) -> list[str]:
    """Gateways, then workers: clients move to gateways that do not move again because of the workers."""
    others = (*servers.NAMES, LOG_ROTATION, *DOORS)
    names = [name for name in deployment.names() if name not in others]
    return sorted(names, key=lambda name: (not is_gateway(name), name))


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="scripts/drain.sh or scripts/rolling_restart.sh", description=__doc__)
    add_config(parser)
    verbs = parser.add_subparsers(dest="verb", required=True)
    one = verbs.add_parser("drain", prog="scripts/drain.sh", description=DRAIN, help=DRAIN)
    one.add_argument("name", metavar="NAME", help="g1, w1, p1 ...; scripts/cluster.sh restart NAME starts it again")
    every = verbs.add_parser("restart", prog="scripts/rolling_restart.sh", description=RESTART, help=RESTART)
    every.add_argument("names", nargs="*", metavar="NAME", help="only these, in this order (all)")
    return parser.parse_args(words)


def run(options: argparse.Namespace) -> int:
    deployment = open_deployment(options.config)
    if options.verb == "drain":
        drain(deployment, options.name)
    else:
        rolling_restart(deployment, options.names or ours(deployment))
    return 0


def main(words: list[str]) -> int:
    options = parse(words)
    program = "scripts/drain.sh" if options.verb == "drain" else "scripts/rolling_restart.sh"
    return exit_code(program, lambda: run(options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
