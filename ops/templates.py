"""Server configurations from the templates in conf/: `$name` is filled in, and only the owner may read the result."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from string import Template

ROOT = Path(__file__).resolve().parent.parent

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


def fill_template(name: str, target: Path, values: Mapping[str, object]) -> Path:
    """Write conf/`name` with `values` to `target`, mode 0600."""
    return write_private(target, Template((ROOT / "conf" / name).read_text()).substitute(values))


def write_private(target: Path, text: str) -> Path:
    """Write `text` where only the owner may read it, in one step."""
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(target.name + ".new")
    unfinished.unlink(missing_ok=True)
    with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    unfinished.replace(target)
    return target


def plain_environment(**extra: str) -> dict[str, str]:
    """What a server needs of our environment, and none of our settings or secrets."""
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "LC_ALL", "TMPDIR", "HOME") if name in os.environ}
    return {**kept, **extra}
