"""The tests against newer servers than the installed ones: scripts/newer_servers.sh --help

`set-up SET` makes a Debian in var/servers/SET (root is needed; some 1.2 GB) with its servers and wrappers around them.
`versions SET` prints what they are. `test SET [pytest arguments]` runs what concerns servers, or the tests named,
against them: contract, store, bus, router, nginx, e2e, faults. `remove SET` deletes it. Every script and test uses them
with HONGYAN_SERVERS=var/servers/SET/bin.

Exit codes: 0 fine, 1 failed, 2 wrong usage.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys

from conf.settings import SERVERS_VARIABLE
from ops.programs import find_program, version
from tests.newer_servers.debian import CHECKOUT, Debian, NoDebian
from tests.newer_servers.sets import SETS

DIRECTORY = CHECKOUT / "var" / "servers"
TESTS = ("contract", "store", "bus", "router", "nginx", "ops/test_servers.py", "e2e", "faults")
VERSIONS = {"rabbitmqctl": "RabbitMQ", "redis-server": "", "mysqld": "", "mariadbd": ""}


def set_up(name: str) -> None:
    """Make the set `name`, or bring it up to date. Raises NoDebian."""
    chosen = SETS[name]
    Debian(DIRECTORY / name, chosen.release).make(chosen.packages, chosen.programs)
    print(f"{SERVERS_VARIABLE}={DIRECTORY / name / 'bin'}")


def choose(name: str) -> None:
    """Have this process and its children use the set. Raises NoDebian where it was not made."""
    directory = DIRECTORY / name / "bin"
    if not directory.is_dir():
        raise NoDebian(f"there is no {directory}: scripts/newer_servers.sh set-up {name} makes it.")
    os.environ[SERVERS_VARIABLE] = str(directory)


def versions(name: str) -> list[str]:
    """What the servers of the set say of themselves."""
    choose(name)
    wanted = [program for program in SETS[name].programs if program in VERSIONS]
    found = [f"{VERSIONS[program]} {version(find_program(program))}".strip() for program in wanted]
    asked = subprocess.run([find_program("nginx"), "-v"], check=True, capture_output=True, text=True)
    return [*found, asked.stderr.strip()]


def test(name: str, words: list[str]) -> int:
    """Run pytest against the set; its exit code. Raises NoDebian."""
    choose(name)
    named = any(word.startswith("tests") for word in words)
    where = [] if named else [f"tests/{part}" for part in TESTS]
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *where, *words])


def parse(words: list[str]) -> tuple[argparse.Namespace, list[str]]:
    parser = argparse.ArgumentParser(
        prog="scripts/newer_servers.sh", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("verb", choices=("set-up", "versions", "test", "remove"))
    parser.add_argument("set", choices=tuple(SETS))
    return parser.parse_known_args(words)


def main(words: list[str]) -> int:
    options, rest = parse(words)
    try:
        if options.verb == "set-up":
            set_up(options.set)
        elif options.verb == "versions":
            print("\n".join(versions(options.set)))
        elif options.verb == "test":
            return test(options.set, rest)
        else:
            shutil.rmtree(DIRECTORY / options.set, ignore_errors=True)
    except NoDebian as error:
        print(f"scripts/newer_servers.sh: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
