"""Writing to a Tornado stream as cheaply as the kernel allows: straight to the socket when nothing is queued.

Tornado's own path costs a future and a buffer for each write; this one costs a system call (design section 9 has the
figures). Order is kept: once something is queued, everything goes behind it.
"""

from __future__ import annotations

from tornado.iostream import IOStream, StreamClosedError


def write(stream: IOStream, data: bytes) -> None:
    """Send what the socket takes at once and queue the rest. Never blocks; a broken stream is closed."""
    if stream.closed():
        return
    if not stream.writing():
        try:
            sent = stream.socket.send(data)
        except BlockingIOError:
            sent = 0
        except OSError:
            stream.close()
            return
        if sent == len(data):
            return
        data = data[sent:]
    try:
        stream.write(data)
    except StreamClosedError:
        return


def queued_bytes(stream: IOStream) -> int:
    """What is queued in this process for the peer."""
    return len(stream._write_buffer)
