"""The programs of servers that others wrote: where they are, and what they see of our environment."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

PACKAGES = (
    "Install the servers: on Debian or Ubuntu `apt-get install rabbitmq-server redis-server mariadb-server`, "
    "on macOS `brew install rabbitmq redis mariadb`."
)


class MissingServer(Exception):
    """A server's program is not installed; the message names the packages."""


def find_program(*names: str) -> str:
    """The path of the first of `names` that is installed. Raises MissingServer."""
    path = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin", "/opt/homebrew/sbin"))
    for name in names:
        found = shutil.which(name, path=path)
        if found:
            return found
    raise MissingServer(f"There is no {Path(names[0]).name} on this machine. {PACKAGES}")


def plain_environment(**extra: str) -> dict[str, str]:
    """What a server needs of our environment, and none of our settings or secrets."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR", "HOME") if name in os.environ}
    return {**kept, **extra}
