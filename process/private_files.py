"""What we write is for our own user's eyes only: directories 0700, files 0600, whatever the umask was.

Messages, password hashes, secrets and logs lie below `var`, and servers that others wrote get our umask with our
environment.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable
from pathlib import Path

UMASK = 0o077
# What earlier versions made below `var`; var/venv is not among it, because it holds nothing of anybody's.
OURS = ("log", "run", "standalone", "mariadb", "mariadb.tmp", "rabbitmq", "redis", "nginx", "tls", "backups")


def write_for_us_only() -> None:
    """From now on what this process makes, and what its children make, is for its user only."""
    os.umask(UMASK)


def keep_for_us_only(var: Path) -> None:
    """Make `var` where it is missing, and take from others what earlier versions, or another umask, let them see.

    A `var` that belongs to others, or that all may write to (such as /tmp), stays as it is: only what is ours in it is
    closed.
    """
    var.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not var.stat().st_mode & stat.S_ISVTX:
        _close([var])
    for name in OURS:
        _close([var / name])
        for directory, directories, files in os.walk(var / name):
            _close(Path(directory) / entry for entry in (*directories, *files))


def _close(paths: Iterable[Path]) -> None:
    for path in paths:
        try:
            found = path.lstat()
        except OSError:  # gone meanwhile, or never there
            continue
        is_link = stat.S_ISLNK(found.st_mode)
        if found.st_uid == os.geteuid() and found.st_mode & UMASK and not is_link:
            path.chmod(stat.S_IMODE(found.st_mode) & ~UMASK)
