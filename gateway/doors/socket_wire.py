"""A client's socket on the event loop, for doors whose frames come over a socket: bytes in, bytes out, an orderly end.

All connections read into one buffer: bytes are handled before the next read, so an idle connection owns no buffer.
"""

from __future__ import annotations

import asyncio
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress

READ_BYTES = 64 * 1024
SEND_BUFFER_BYTES = 64 * 1024
CLOSE_TIMEOUT_S = 5.0

_buffer = bytearray(READ_BYTES)
_view = memoryview(_buffer)


class SocketWire(asyncio.BufferedProtocol, ABC):
    """Base of the wires of such doors; a door says how frames are framed, read and ended."""

    __slots__ = ("_send_buffer_bytes", "_transport", "is_ending")

    door: str
    framed: Callable[[bytes], bytes]

    def __init__(self, send_buffer_bytes: int = SEND_BUFFER_BYTES) -> None:
        self._send_buffer_bytes = send_buffer_bytes
        self._transport: asyncio.Transport | None = None
        self.is_ending = False

    # --- what the loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        # The kernel's own default takes megabytes before a peer that does not read is noticed.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, self._send_buffer_bytes)

    def get_buffer(self, sizehint: int) -> memoryview:
        return _view

    def buffer_updated(self, nbytes: int) -> None:
        self.bytes_received(bytes(_view[:nbytes]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self.ended()

    # --- what a door adds

    @abstractmethod
    def bytes_received(self, data: bytes) -> None:
        """Something arrived."""

    @abstractmethod
    def ended(self) -> None:
        """The socket is closed."""

    # --- what the gateway calls

    def send(self, data: bytes) -> None:
        """Write at once what the socket takes and queue the rest. Never blocks, never raises."""
        if self._transport is not None and not self.is_ending:
            self._transport.write(data)

    @property
    def queued_bytes(self) -> int:
        """How much is queued in this process for the peer."""
        return self._transport.get_write_buffer_size() if self._transport is not None else 0

    def pause(self) -> None:
        """Read nothing: what the peer sends stays in the kernel, and soon at the peer."""
        if self._transport is not None and not self.is_ending:
            self._transport.pause_reading()

    def resume(self) -> None:
        if self._transport is not None:
            self._transport.resume_reading()

    def ping(self) -> None:
        """A door whose frames have no ping asks for nothing: its client is no page, and its timers run."""

    def end(self, farewell: bytes) -> None:
        """Send the last bytes; the peer has 5 s to take them and to close, then the socket is cut."""
        transport = self._transport
        if transport is None or self.is_ending:
            return
        self.is_ending = True
        transport.write(farewell)
        transport.resume_reading()  # or the peer's own goodbye would not be seen
        with suppress(OSError):  # it has left already, and we have not read so
            transport.write_eof()  # a peer whose goodbye we no longer read need not wait for the cut
        asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, transport.abort)

    def hang_up(self) -> None:
        """The peer has said goodbye: send all that is queued, drop what it does not take within 5 s, and close."""
        self.is_ending = True
        if self._transport is not None:
            self._transport.close()
            asyncio.get_running_loop().call_later(CLOSE_TIMEOUT_S, self._transport.abort)
