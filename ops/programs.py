"""The programs of servers that others wrote: where they are, and what they see of our environment.

HONGYAN_SERVERS names the directories of one set of servers, separated as in PATH: what is there goes before everything
else, so that all scripts and tests run against that set.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
from pathlib import Path

from conf.settings import SERVERS_VARIABLE

SYSTEM_DIRECTORIES = ("/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin")
PACKAGES = (
    "Install the servers: on Debian or Ubuntu `apt-get install rabbitmq-server redis-server mariadb-server`, "
    "on macOS `brew install rabbitmq redis mariadb`."
)


class MissingServer(Exception):
    """A server's program is not installed; the message names the packages."""


def find_program(*names: str) -> str:
    """The path of the first of `names` that is in a directory of HONGYAN_SERVERS, else of the first that is installed,
    for which a name may be a path. Raises MissingServer."""
    chosen = os.pathsep.join(chosen_directories())
    system = os.pathsep.join((os.environ.get("PATH", ""), *SYSTEM_DIRECTORIES))
    looks = [(Path(name).name, chosen) for name in names] + [(name, system) for name in names]
    for name, path in looks:
        found = shutil.which(name, path=path) if path else None
        if found:
            return found
    raise MissingServer(f"There is no {Path(names[0]).name} on this machine. {PACKAGES}")


def chosen_directories() -> list[str]:
    """The directories of HONGYAN_SERVERS, absolute; none where it is not set. Raises MissingServer."""
    directories = [directory for directory in os.environ.get(SERVERS_VARIABLE, "").split(os.pathsep) if directory]
    for directory in directories:
        if not Path(directory).is_dir():
            raise MissingServer(f"{SERVERS_VARIABLE} names {directory}, where no directory of programs is.")
    return [str(Path(directory).absolute()) for directory in directories]


def beside(program: str, name: str) -> Path | None:
    """The directory `name` beside that of a program of HONGYAN_SERVERS; None where there is none."""
    directory = Path(program).parent
    found = directory.parent / name
    return found if str(directory) in chosen_directories() and found.is_dir() else None


@functools.cache
def version(program: str) -> str:
    """What the program says of itself: "mysqld  Ver 9.7.4 for Linux on x86_64 ((Debian))"."""
    return subprocess.run([program, "--version"], check=False, capture_output=True, text=True).stdout.strip()


def plain_environment(**extra: str) -> dict[str, str]:
    """What a server needs of our environment, and none of our settings or secrets."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR", "HOME") if name in os.environ}
    return {**kept, **extra}
