"""A proxy in front of MariaDB that cuts the connection at a COMMIT: just before the server gets it, or just after.

PyMySQL sends COMMIT as a packet of its own, so it arrives here alone.
"""

from __future__ import annotations

import socket
import threading
from types import TracebackType

_COMMIT = b"\x03COMMIT"


class CommitCutter:
    """`cut` is "before" or "after" for the next COMMIT, None to pass everything on."""

    def __init__(self, host: str, port: int) -> None:
        self.cut: str | None = None
        self._target = (host, port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._sockets: list[socket.socket] = [self._listener]

    def __enter__(self) -> CommitCutter:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _at: TracebackType | None
    ) -> None:
        for each in self._sockets:
            _end(each)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            self._sockets += [client, server]
            committed = threading.Event()
            for run in (self._upwards, self._downwards):
                threading.Thread(target=run, args=(client, server, committed), daemon=True).start()

    def _upwards(self, client: socket.socket, server: socket.socket, committed: threading.Event) -> None:
        while data := _received(client):
            if self.cut and data[4:] == _COMMIT:
                cut, self.cut = self.cut, None
                if cut == "before":
                    break
                committed.set()
            _pass_on(server, data)
        _end(server)
        _end(client)

    def _downwards(self, client: socket.socket, server: socket.socket, committed: threading.Event) -> None:
        while data := _received(server):
            if committed.is_set():
                break  # the server has answered; nobody hears it
            _pass_on(client, data)
        _end(client)
        _end(server)


def _received(source: socket.socket) -> bytes:
    try:
        return source.recv(65_536)
    except OSError:
        return b""


def _pass_on(target: socket.socket, data: bytes) -> None:
    try:
        target.sendall(data)
    except OSError:
        _end(target)


def _end(each: socket.socket) -> None:
    try:
        each.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    each.close()
