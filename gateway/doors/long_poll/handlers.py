"""The long-poll door (protocol.md section 3): open, recv, send, close, over the session that every door has."""

from __future__ import annotations

import random

import msgspec
from msgspec import Raw

from gateway.doors.http.json_handler import Rules
from gateway.doors.http.pages import CorsHandler
from gateway.doors.long_poll.frames import Answers, Slot, split_frames
from gateway.doors.long_poll.sessions import Answer, PollSession, PollSessions, PollWire
from gateway.metrics import FRAMES_IN
from gateway.sessions.attendant import RETRY_AFTER_S, Attendant
from protocol import codec
from protocol.errors import ImError, bad_field, busy, rate_limited
from protocol.frames import bad_frame

MAX_CURSOR_DIGITS = 15
UNSUPPORTED_MEDIA_TYPE = 415
LOGIN = '{"op":"login","id":"login","data":%s}'


class _Pushed(msgspec.Struct):
    """A frame of ours."""

    op: str
    data: Raw


class _Opened(msgspec.Struct):
    """`{"session":"g1.Xk...","cursor":0,"data":{login reply data}}`"""

    session: str
    cursor: int
    data: Raw


_read_pushed = msgspec.json.Decoder(_Pushed).decode


def poll_rules(attendant: Attendant, sessions: PollSessions) -> Rules:
    given = {"attendant": attendant, "sessions": sessions}
    handlers = {"open": PollOpen, "recv": PollRecv, "send": PollSend, "close": PollClose}
    return [(f"/poll/{verb}", handler, given) for verb, handler in handlers.items()]


class PollHandler(CorsHandler):
    """Base of the four addresses."""

    def initialize(self, attendant: Attendant, sessions: PollSessions) -> None:
        self._attendant = attendant
        self._sessions = sessions

    def is_json(self) -> bool:
        """Whether the body says that it is; a page of another site cannot say so unasked. If not, it is refused."""
        kind = self.request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            self.refuse(bad_frame("Content-Type must be application/json").data(), UNSUPPORTED_MEDIA_TYPE)
        return kind == "application/json"

    def session_id(self) -> str:
        """Raises ImError bad_field."""
        session = self.get_query_argument("session", "")
        if not session:
            raise bad_field("session", "it is missing")
        return session

    def standing_session(self) -> PollSession:
        """Raises ImError bad_field, session_gone."""
        session = self._sessions.find(self.session_id())
        if session.wire.is_over:
            raise session.wire.gone()
        return session


class PollOpen(PollHandler):
    """A login."""

    _name = ""

    async def post(self) -> None:
        if not self.is_json():
            return
        try:
            opened = await self._open()
        except ImError as refusal:
            if refusal.code == "busy":
                self.set_header("Retry-After", str(random.randint(1, RETRY_AFTER_S)))
            self.refuse(refusal.data())
        else:
            self.finish(opened)

    async def _open(self) -> bytes:
        if self._attendant.is_full or self._attendant.has_login_backlog:
            raise busy()
        address = self._attendant.addresses.of_request(self.request)
        if self._attendant.addresses.is_full(address):
            raise rate_limited(RETRY_AFTER_S)
        self.read_body()
        login = LOGIN % (self.request.body.decode() or "{}")
        self._name, session = self._sessions.open(address)
        try:
            self._attendant.received(session.connection, login)
            answer = _read_pushed(await session.wire.login)
            _require_reply(answer, session)
        except ImError:
            self._sessions.close(self._name)
            raise
        return codec.write_struct(_Opened(self._name, 0, answer.data))

    def on_connection_close(self) -> None:
        """Nobody will ever know this session."""
        if self._name:
            self._sessions.close(self._name)


def _require_reply(answer: _Pushed, session: PollSession) -> None:
    """Raises ImError where the login was refused, or the connection sent away before it was answered."""
    if answer.op == "error":
        error = msgspec.json.decode(answer.data)
        raise ImError(error.pop("code"), error.pop("message"), **{k: v for k, v in error.items() if k != "retry"})
    if answer.op != "reply":
        raise session.wire.not_opened()


class PollRecv(PollHandler):
    """Waits for frames."""

    _wire: PollWire | None = None
    _answer: Answer

    async def get(self) -> None:
        try:
            cursor = self._cursor()
            wire = self._sessions.find(self.session_id()).wire
            self._answer, self._wire = wire.receive(cursor), wire
            body = await self._answer
        except ImError as refusal:
            self.refuse(refusal.data())
        else:
            self.finish(body)

    def _cursor(self) -> int:
        text = self.get_query_argument("cursor", "")
        if not (text.isascii() and text.isdecimal() and len(text) <= MAX_CURSOR_DIGITS):
            raise bad_field("cursor", "that of the last answer, 0 at first")
        return int(text)

    def on_connection_close(self) -> None:
        if self._wire is not None:
            self._wire.leave(self._answer)


class PollSend(PollHandler):
    """Takes frames and answers them."""

    async def post(self) -> None:
        if not self.is_json():
            return
        try:
            session = self.standing_session()
            answers = await self._handle(session, split_frames(self.request.body))
        except ImError as refusal:
            self.refuse(refusal.data())
            return
        if answers.refusal is not None:
            self.refuse(answers.refusal)
        else:
            self.finish(answers.body())

    async def _handle(self, session: PollSession, frames: list[str]) -> Answers:
        FRAMES_IN.count += len(frames)
        answers = Answers(session.connection, len(frames))
        for place, text in enumerate(frames):
            if session.wire.is_over or not self._attendant.received(session.connection, text, Slot(answers, place)):
                answers.expect_one_less()
        await answers.complete()
        return answers


class PollClose(PollHandler):
    """Ends a session at the client's wish."""

    def post(self) -> None:
        try:
            self.standing_session()
        except ImError as refusal:
            self.refuse(refusal.data())
        else:
            self._sessions.close(self.session_id())
            self.finish(b"{}")
