"""Logins: so many under way at once, the others in their turn; and how a refused login ends."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from gateway.clients.closing import close
from gateway.clients.connection import Connection
from gateway.clients.session import Login
from gateway.road.reply_to import Refused
from gateway.sessions.login import LoginFlow
from process.supervision import start_task
from protocol.errors import Close, ImError, forbidden, internal
from protocol.frames import write_error, write_frame
from router.interface import TooManyConnections

log = structlog.get_logger()


class LoginQueue:
    """`at_once` logins take place at the same time."""

    def __init__(self, login_flow: LoginFlow, at_once: int) -> None:
        self._login_flow = login_flow
        self._at_once = at_once
        self._turns = asyncio.Semaphore(at_once)
        self._logins: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"LoginQueue({len(self._logins)} under way or waiting)"

    @property
    def has_backlog(self) -> bool:
        """Whether so many log in, or wait for their turn to, that newcomers had better wait outside."""
        return len(self._logins) >= self._at_once

    def enter(self, connection: Connection, login: Login, logged_in: Callable[[Connection], None]) -> None:
        """Log a connection in when its turn comes: it gets the reply and is given to `logged_in`, or gets the error and
        then the close."""
        task = start_task("login", self._log_in(connection, login, logged_in))
        self._logins.add(task)
        task.add_done_callback(self._logins.discard)

    async def _log_in(self, connection: Connection, login: Login, logged_in: Callable[[Connection], None]) -> None:
        try:
            async with self._turns:
                data = await self._login_flow.open(connection, login)
        except TooManyConnections:
            refusal = forbidden("this user has as many connections as one may have")
            _refuse(connection, write_error(refusal, login.id), Close.TOO_MANY_CONNECTIONS)
        except ImError as refusal:
            _refuse(connection, write_error(refusal, login.id), _close_of(refusal.code))
        except Refused as refused:
            frame = write_frame("error", refused.data, login.id)
            _refuse(connection, frame, _close_of(refused.error["code"]))
        except Exception as error:
            log.error("login_failed", connection=connection.number, exc_info=error)
            _refuse(connection, write_error(internal(str(connection.number)), login.id), Close.BUSY)
        else:
            if data is not None:
                log.info("login", connection=connection.number, user=connection.user, session=connection.session_id)
                connection.send(write_frame("reply", data, login.id))
                logged_in(connection)


def _refuse(connection: Connection, frame: bytes, code: Close) -> None:
    """The error frame first, then the close."""
    if not connection.is_closed:
        connection.send(frame)
        close(connection, code)


def _close_of(code: str) -> Close:
    """How a refused login closes: until we can take it, or for good."""
    return Close.BUSY if code in ("busy", "timeout", "internal") else Close.LOGIN_REFUSED
