"""The sessions of clients that poll: how a poll gets its answer, and when a session is over (protocol.md section 3).

Laws: of two polls that wait on one session the newer stays. Where we ended a session, its client first fetches all that
was put before; then every poll is told why. One look a second at all sessions takes the place of timers.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from typing import NamedTuple

from gateway.clients.closing import close
from gateway.clients.connection import Connection
from gateway.doors.long_poll.mailbox import Mailbox
from gateway.doors.tcp_frames import tcp_frame
from gateway.sessions.attendant import Attendant
from process.supervision import keep_task_running
from protocol.errors import RECONNECT, Close, ImError, busy, timeout

SWEEP_S = 1.0
SETTLE_STEP_S = 0.02
RANDOM_BYTES = 18
# After these closes the frames that wait are thrown away: they are too many, or no client comes for them.
ABANDONED = frozenset({Close.SLOW_CONSUMER, Close.HEARTBEAT_TIMEOUT})

Answer = asyncio.Future[bytes]


Why = dict[str, int | str]


def session_gone(why: Why | None = None) -> ImError:
    """410; `why` is the close code and the reason, where we ended the session."""
    return ImError("session_gone", "this session is over: log in again and sync", **(why or {}))


class PollWire:
    """The wire of one session. `login` gives the first frame, which answers the login; `polled_at` (s, monotonic) is
    the moment at which the last poll came or went; `is_told` means that the client knows that the session is over."""

    __slots__ = ("_mailbox", "_waiting", "_why", "is_told", "login", "polled_at")

    door = "poll"
    framed: Callable[[bytes], bytes] = staticmethod(tcp_frame)

    def __init__(self) -> None:
        self.login: Answer = asyncio.get_running_loop().create_future()
        self.polled_at = time.monotonic()
        self.is_told = False
        self._mailbox = Mailbox()
        self._waiting: Answer | None = None
        self._why: Why | None = None

    def __repr__(self) -> str:
        state = "over" if self.is_over else "waited on" if self.is_waited_on else "not waited on"
        return f"PollWire({state}, {self._mailbox})"

    # --- what the gateway calls

    def send(self, data: bytes) -> None:
        if self.is_over:
            return
        self._mailbox.put(data)
        if not self.login.done():
            self.login.set_result(self._mailbox.pop())
        elif self._waiting is not None:
            self._release(self._mailbox.read(self._mailbox.cursor))

    @property
    def queued_bytes(self) -> int:
        return self._mailbox.waiting_bytes

    def pause(self) -> None:
        """Each frame comes by a request that waits for its answer: there is nothing to hold back."""

    def resume(self) -> None: ...

    def ping(self) -> None:
        """Whoever polls shows by that that it lives."""

    def close(self, code: Close, reason: str) -> None:
        if code in ABANDONED:
            self._mailbox.clear()
        self._end({"close": int(code), "reason": reason})

    # --- what the door calls

    @property
    def is_over(self) -> bool:
        return self._why is not None

    def gone(self) -> ImError:
        """The refusal that polls get when the session is over."""
        return session_gone(self._why)

    def not_opened(self) -> ImError:
        """The refusal that a client gets whose login was not answered yet when the session ended."""
        code = (self._why or {}).get("close")
        if code == Close.AUTH_TIMEOUT:
            return timeout()
        return busy() if code in RECONNECT else self.gone()

    @property
    def is_waited_on(self) -> bool:
        return self._waiting is not None

    def receive(self, cursor: int) -> Answer:
        """The answer to a poll, as soon as there is something; a poll that waits already gets `superseded`.

        Raises ImError bad_field; session_gone where the session is over and all was fetched. So does the future.
        """
        body = self._mailbox.read(cursor)
        self._refuse(ImError("superseded", "a newer poll of this session took over"))
        if body is None and self.is_over:
            self.is_told = True
            raise self.gone()
        answer = self._waiting = asyncio.get_running_loop().create_future()
        self.polled_at = time.monotonic()
        if body is not None:
            self._release(body)
        return answer

    def leave(self, answer: Answer) -> None:
        """The poll that waited for this answer is gone; frames that come now wait for the next."""
        if answer is self._waiting:
            self.send_away()

    def send_away(self) -> None:
        """Nothing came: a poll that waits gets an answer without frames."""
        self._release(self._mailbox.empty())

    def hang_up(self) -> None:
        """The client has closed its session."""
        self._mailbox.clear()
        self._end({})

    def _end(self, why: Why) -> None:
        self._why = why
        if not self.login.done():
            self.login.set_exception(self.not_opened())
            self.is_told = True
        if self.is_waited_on:
            self._refuse(self.gone())
            self.is_told = True

    def _release(self, body: bytes | None) -> None:
        waiting, self._waiting = self._waiting, None
        self.polled_at = time.monotonic()
        if waiting is not None and body is not None:
            waiting.set_result(body)

    def _refuse(self, refusal: ImError) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.set_exception(refusal)


class PollSession(NamedTuple):
    """The session that an id stands for."""

    connection: Connection
    wire: PollWire


class PollSessions:
    """All sessions of a gateway, by id: `{gateway id}.{random}`. A poll is answered within `wait_s`; a session that
    nobody polls for `idle_s` is over."""

    def __init__(self, attendant: Attendant, gateway: str, wait_s: float, idle_s: float) -> None:
        self._attendant = attendant
        self._gateway = gateway
        self._wait_s = wait_s
        self._idle_s = idle_s
        self._sessions: dict[str, PollSession] = {}
        self._sweeper: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        waited_on = sum(session.wire.is_waited_on for session in self._sessions.values())
        return f"PollSessions({len(self._sessions)} sessions, {waited_on} waited on)"

    def start(self) -> None:
        self._sweeper = keep_task_running("poll-sweeper", self._sweep)

    async def stop(self, within_s: float) -> None:
        """Call when every session was ended: returns when their clients have fetched everything and know why it is
        over, or after so long."""
        if self._sweeper is not None:
            self._sweeper.cancel()
        until = time.monotonic() + within_s
        while not all(session.wire.is_told for session in self._sessions.values()) and time.monotonic() < until:
            await asyncio.sleep(SETTLE_STEP_S)
        await asyncio.sleep(SETTLE_STEP_S)  # the last answers leave now

    def open(self, address: str) -> tuple[str, PollSession]:
        """A new session, whose client at `address` is about to log in: (id, session)."""
        name = f"{self._gateway}.{secrets.token_urlsafe(RANDOM_BYTES)}"
        wire = PollWire()
        session = self._sessions[name] = PollSession(self._attendant.opened(wire, address), wire)
        return name, session

    def find(self, name: str) -> PollSession:
        """The session of this id, which may be over. Raises ImError session_gone."""
        session = self._sessions.get(name)
        if session is None:
            raise session_gone()
        return session

    def close(self, name: str) -> None:
        """The client is done with it, or gone before it was open. May be called twice."""
        session = self._sessions.pop(name, None)
        if session is not None:
            session.wire.hang_up()
            self._attendant.closed(session.connection)

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(SWEEP_S)
            now = time.monotonic()
            for name, session in list(self._sessions.items()):
                self._look_at(name, session, now - session.wire.polled_at)

    def _look_at(self, name: str, session: PollSession, since_s: float) -> None:
        wire = session.wire
        if wire.is_waited_on:
            if since_s >= self._wait_s - SWEEP_S:
                wire.send_away()
        elif since_s > self._idle_s:
            del self._sessions[name]
            close(session.connection, Close.HEARTBEAT_TIMEOUT)
            return
        if not wire.is_over:
            session.connection.heard_at = time.monotonic()  # a client that polls sends no heartbeats
