"""Ending connections from our side: say why, close, and forget (protocol.md section 4)."""

from __future__ import annotations

import structlog

from gateway.clients.connection import Connection
from gateway.clients.session import State
from gateway.metrics import CLOSES
from protocol import codec
from protocol.errors import CLOSE_REASON, Close
from protocol.frames import write_frame

log = structlog.get_logger()


def close(connection: Connection, code: Close, reason: str = "") -> None:
    """Close with `code` and its usual reason, unless another is given. Nothing happens where it is closed already."""
    if connection.is_closed:
        return
    connection.is_closed = True
    log.info("connection_closed", connection=connection.number, user=connection.user, code=int(code))
    CLOSES.labels(str(int(code))).inc()
    connection.session.move(State.CLOSED)
    connection.flush()
    connection.wire.close(code, reason or CLOSE_REASON[code])
    connection.forget(connection)


def kick(connection: Connection, reason: str) -> None:
    """Close with 4006 after telling the client why: replaced, logged_out, disabled or by an operator."""
    connection.send(write_frame("kicked", codec.write({"reason": reason})))
    close(connection, Close.KICKED, reason)


def restart(connection: Connection, after_ms: int) -> None:
    """Close with 1012 after telling the client when to come back."""
    connection.send(write_frame("reconnect", codec.write({"after": after_ms})))
    close(connection, Close.RESTART)
