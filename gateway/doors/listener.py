"""Takes newcomers from a listening socket, as fast as they can be served and no faster (decision 0011).

Laws: a few are taken each turn of the loop, and none while `has_login_backlog`; the others wait in the kernel, where
waiting costs nothing. A newcomer that had to wait and has left meanwhile is dropped unread: clients that give up and
come again then cost no work, and cannot wear out a gateway that is merely late.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from typing import Any

import structlog

from gateway.metrics import GONE

BACKLOG = 4096  # all clients of another gateway may come at once; Linux takes as many as net.core.somaxconn
TAKEN_A_TURN = 8
LOOK_AGAIN_S = 0.01
TROUBLE_S = 1.0  # after a failure of the system, such as no file descriptor left
_LEFT = getattr(select, "POLLRDHUP", 0) | select.POLLHUP | select.POLLERR

log = structlog.get_logger()

Take = Callable[[socket.socket, tuple[Any, ...]], None]
"""Gets a newcomer with its address as the socket gives it: host and port come first (of IPv6 there are four parts)."""


class Listener:
    """Listens on `bound` from `open` to `close`, and gives each newcomer to `take`."""

    def __init__(self, bound: socket.socket, take: Take, has_login_backlog: Callable[[], bool]) -> None:
        self._socket = bound
        self._take = take
        self._has_login_backlog = has_login_backlog
        self._is_open = False
        self._were_kept_waiting = False
        self._taken = 0

    def __repr__(self) -> str:
        state = "closed" if not self._is_open else "crowded" if self._were_kept_waiting else "open"
        return f"Listener({state}, {self._taken} taken)"

    def open(self) -> None:
        """Let newcomers in. Raises OSError where another program listens there."""
        self._socket.setblocking(False)
        self._socket.listen(BACKLOG)
        self._is_open = True
        self._watch()

    def close(self) -> None:
        """Take no newcomers any more; connections that are in stay."""
        if self._is_open:
            asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self._is_open = False

    def _watch(self) -> None:
        if self._is_open:
            asyncio.get_running_loop().add_reader(self._socket, self._come)

    def _look_away(self, for_s: float) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._socket)
        loop.call_later(for_s, self._watch)

    def _come(self) -> None:
        """Somebody is there: take a few."""
        for _ in range(TAKEN_A_TURN):
            if self._has_login_backlog():
                self._were_kept_waiting = True
                self._look_away(LOOK_AGAIN_S)
                return
            try:
                newcomer, address = self._socket.accept()
            except BlockingIOError:
                self._were_kept_waiting = False
                return
            except ConnectionAbortedError:
                continue
            except OSError as error:
                log.warning("cannot_accept", error=str(error))
                self._look_away(TROUBLE_S)
                return
            if self._were_kept_waiting and _has_left(newcomer):
                GONE.count += 1
                newcomer.close()
            else:
                self._taken += 1
                newcomer.setblocking(False)
                self._take(newcomer, address)


def _has_left(newcomer: socket.socket) -> bool:
    """Whether the peer has closed its side, even if what it sent before was not read yet."""
    look = select.poll()
    look.register(newcomer, _LEFT)
    return bool(look.poll(0))
