"""The HTTP door: `POST /api/<op>` (protocol.md section 3). The same ops over the same road, one call a request."""

from __future__ import annotations

from typing import Any

import structlog
from tornado.web import RequestHandler

from gateway.api_sessions import ApiSessions
from gateway.asker import Refused, Waiter
from gateway.commands import CommandMaker
from gateway.uplink import Uplink
from protocol import codec, ids
from protocol.errors import HTTP_STATUS, ImError, bad_field, internal, unauthenticated
from protocol.frames import MAX_CLIENT_FRAME_BYTES, bad_frame, read_object
from protocol.models import UserInfo
from protocol.ops import Caller, Op, find_op

log = structlog.get_logger()

NOT_OVER_HTTP = frozenset({"typing", "presence.watch"})


class JsonHandler(RequestHandler):
    """Answers errors as JSON, also those of Tornado itself."""

    def set_default_headers(self) -> None:
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")

    def refuse(self, error: dict[str, Any]) -> None:
        """`{"error":{"code","message","retry"}}` with the status of its code."""
        self.set_status(HTTP_STATUS[error["code"]])
        self.finish(codec.write({"error": error}))

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        if status_code >= 500:
            refusal = internal(ids.new_id())
            log.error("request_failed", trace=refusal.extra["trace"], address=self.request.path)
        else:
            codes = {404: "not_found", 405: "unknown_op", 413: "too_large"}
            refusal = ImError(codes.get(status_code, "bad_frame"), "this address does not do that")
        self.finish(codec.write({"error": refusal.data()}))


class UnknownAddress(JsonHandler):
    """Whatever no other handler serves."""

    def prepare(self) -> None:
        self.set_status(404)
        self.finish(codec.write({"error": ImError("not_found", "there is nothing at this address").data()}))


class HttpApi(JsonHandler):
    """One call. The token is for `Authorization: Bearer`; register, login and refresh need none."""

    def initialize(self, commands: CommandMaker, uplink: Uplink, sessions: ApiSessions) -> None:
        self._commands = commands
        self._uplink = uplink
        self._sessions = sessions

    async def post(self, name: str) -> None:
        try:
            data = await self._call(name)
        except ImError as refusal:
            self.refuse(refusal.data())
        except Refused as refused:
            self.refuse(refused.error)
        else:
            self.finish(b'{"data":' + data + b"}")

    async def _call(self, name: str) -> bytes:
        if name in NOT_OVER_HTTP:
            raise bad_field("op", "this one needs a connection that stays open")
        op = find_op(name, Caller.CLIENT, Caller.ANYONE)
        body = self._body()
        sender, session = await self._caller(op)
        queue, command = self._commands.make(op, body, sender, session, door="http")
        waiter = Waiter()
        self._uplink.submit(queue, command, waiter)
        return await waiter.answer

    def _body(self) -> dict[str, Any]:
        body = self.request.body
        if len(body) > MAX_CLIENT_FRAME_BYTES:
            raise ImError("too_large", "a body is at most 64 KiB")
        try:
            return read_object(body.decode() or "{}")
        except UnicodeDecodeError:
            raise bad_frame("this is not UTF-8") from None

    async def _caller(self, op: Op) -> tuple[UserInfo, str]:
        if op.caller is Caller.ANYONE:
            return UserInfo(""), ""
        scheme, _, token = self.request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise unauthenticated()
        who = await self._sessions.check(token.strip())
        return UserInfo(who.user, who.terminal), who.session
