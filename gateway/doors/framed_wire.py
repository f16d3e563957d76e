"""A socket over which frames come: how bytes become frames, and what happens at its end, at every such door.

A door says how its frames are decoded, and what it does with each event of its decoder.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

from gateway.clients.connection import Connection
from gateway.doors.decoding import Decoder
from gateway.doors.socket_wire import SocketWire
from gateway.metrics import FRAMES_IN
from gateway.sessions.attendant import Attendant


class FramedWire(SocketWire):
    """Base of the wires of WebSocket and TCP. `_connection` is None before the door has let it in and after its end."""

    __slots__ = ("_address", "_attendant", "_connection", "_decoder")

    def __init__(self, attendant: Attendant, address: str, decoder: Decoder[Any]) -> None:
        super().__init__(attendant.send_buffer_bytes)
        self._attendant = attendant
        self._address = address
        self._decoder = decoder
        self._connection: Connection | None = None

    def bytes_received(self, data: bytes) -> None:
        connection = self._connection
        if connection is None:
            return
        events = self._decoder.feed(data)
        FRAMES_IN.count += len(events)
        for event in events:
            self.handle(connection, event)
        if self._decoder.is_unfinished:
            self._attendant.unfinished(connection, is_new=any(type(event) is str for event in events))
        else:
            connection.unfinished_since = 0.0

    @abstractmethod
    def handle(self, connection: Connection, event: Any) -> None:
        """One event of the decoder."""

    def ended(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            self._attendant.closed(connection)
