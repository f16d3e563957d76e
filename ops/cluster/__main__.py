"""`scripts/cluster.sh`: start, stop and inspect the cluster on this machine.

Exit codes: 0 fine, 1 failed (for status: not all is up), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path

from conf.values import MAX_COMPONENTS
from ops.cluster.command import FAILED, add_config, exit_code, open_deployment
from ops.cluster.components import is_gateway
from ops.cluster.deployment import Deployment
from ops.probes import reachable
from ops.run_environment import VAR_VARIABLE
from protocol.addresses import socket_place

LOG_LINES = 50


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/cluster.sh",
        description="The cluster on this machine: the door, gateways, workers, private RabbitMQ, Redis and MariaDB.",
        epilog="The configuration is conf/cluster.toml, or the file named by HONGYAN_CONFIG.",
    )
    add_config(parser)
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="up|down|status|restart|logs")
    up = verbs.add_parser("up", help="start whatever does not run and wait until all serve")
    up.add_argument("--gateways", type=_positive, metavar="N", help="gateways g1 ... gN")
    up.add_argument("--workers", type=_positive, metavar="N", help="ordered workers w1 ... wN")
    verbs.add_parser("down", help="stop all in order; the data stays")
    status = verbs.add_parser("status", help="one line a component; exit code 0 if all are up, else 1")
    status.add_argument("--json", action="store_true", help="a list of {name, pid, state, port}")
    restart = verbs.add_parser("restart", help="stop one component in order and start it, or start a dead one")
    restart.add_argument("name", metavar="NAME", help="nginx, nginx-tcp, g1, w1, p1, rabbitmq, redis, mariadb ...")
    logs = verbs.add_parser("logs", help="the last lines of one component's log")
    logs.add_argument("name", metavar="NAME")
    logs.add_argument("-f", "--follow", action="store_true", help="go on with what is added")
    return parser.parse_args(words)


def _positive(text: str) -> int:
    number = int(text) if text.isdecimal() else 0
    if not 1 <= number <= MAX_COMPONENTS:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1 to {MAX_COMPONENTS}")
    return number


def run(options: argparse.Namespace) -> int:
    deployment = open_deployment(options.config, options.verb)
    if options.verb == "up":
        return _up(deployment, options)
    if options.verb == "down":
        print("all is down" if deployment.down() else "nothing was up")
        return 0
    if options.verb == "status":
        return _status(deployment, options.json)
    if options.verb == "restart":
        deployment.restart(options.name)
        return 0
    return _logs(deployment.process(options.name).log, options.follow)


def _up(deployment: Deployment, options: argparse.Namespace) -> int:
    begun = time.monotonic()
    if deployment.up(options.gateways, options.workers):
        print(f"all is up after {time.monotonic() - begun:.1f} s; stop it with scripts/cluster.sh down")
    else:
        print("all is up already")
    for row in deployment.status():
        if is_gateway(str(row["name"])):
            host = reachable(deployment.settings.gateway.host)
            print(f"gateway {row['name']}: http://{socket_place(host, int(str(row['port'])))}")
    door, scheme = deployment.settings.nginx, "https" if deployment.settings.nginx.certificate else "http"
    print(f"the door: {scheme}://{socket_place(door.host, door.port)}, TCP {socket_place(door.host, door.tcp_port)}")
    if VAR_VARIABLE in os.environ:
        print(f"{VAR_VARIABLE} says where this cluster lives: the other scripts find it by that alone, so export it")
    return 0


def _status(deployment: Deployment, as_json: bool) -> int:
    rows = deployment.status()
    if as_json:
        print(json.dumps(rows))
    else:
        print(f"{'name':<12} {'state':<9} {'pid':>8} {'port':>6}")
        for row in rows:
            print(f"{row['name']:<12} {row['state']:<9} {row['pid'] or '-':>8} {row['port'] or '-':>6}")
    return 0 if all(row["state"] == "up" for row in rows) else FAILED


def _logs(log: Path, follow: bool) -> int:
    if log.exists():
        sys.stdout.flush()
        os.execvp("tail", ["tail", "-n", str(LOG_LINES), *(["-F"] if follow else []), str(log)])
    print(f"there is no {log}", file=sys.stderr)
    return FAILED


def main(words: list[str]) -> int:
    options = parse(words)
    return exit_code("scripts/cluster.sh", lambda: run(options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
