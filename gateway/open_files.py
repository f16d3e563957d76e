"""The limit of open files of this process: raised as far as it may be, and what it leaves room for (decision 0035).

Each connection that stays is a file, each request that waits for its answer is another, and some are needed beside.
"""

from __future__ import annotations

import resource
from contextlib import suppress
from typing import NamedTuple

import structlog

OTHER_FILES = 256  # logs, the broker, the router, the store; connections that are being closed
MOST_OF_MACOS = 10_240  # which has a limit of its own below an unlimited one
SHARE_OF_REQUESTS = 8

log = structlog.get_logger()


class Room(NamedTuple):
    """How many connections, and sockets of HTTP beside them, may be there at once."""

    connections: int
    http_sockets: int


def raise_limit() -> int:
    """Raise the soft limit to the hard one, and return what it is then."""
    for wanted in (resource.getrlimit(resource.RLIMIT_NOFILE)[1], MOST_OF_MACOS):
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        with suppress(OSError, ValueError):
            if soft not in (wanted, resource.RLIM_INFINITY):
                resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
            break
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def room_within(files: int, max_connections: int) -> Room:
    """`max_connections`, and as many sockets of HTTP; or with a sentence in the log what so many files allow."""
    wanted = Room(max_connections, max_connections)
    needed = sum(wanted) + OTHER_FILES
    if files == resource.RLIM_INFINITY or files >= needed:
        return wanted
    usable = max(2, files - OTHER_FILES)
    http_sockets = min(max_connections, max(1, usable // SHARE_OF_REQUESTS))
    room = Room(min(max_connections, usable - http_sockets), http_sockets)
    log.warning(
        "open_files_too_few",
        reason=f"this process may have {files} files open, and gateway.max_connections = {max_connections} needs "
        f"{needed}: it takes {room.connections} connections, and {room.http_sockets} sockets of HTTP beside them; "
        "raise the hard limit (ulimit -Hn, LimitNOFILE of systemd) or lower max_connections",
    )
    return room
