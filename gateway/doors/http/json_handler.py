"""What every HTTP address has in common: a JSON object in, JSON out, also where it refuses (protocol.md section 4)."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import structlog
from tornado.web import HTTPError, RequestHandler

from gateway.doors.http.request_id import HEADER, request_id
from protocol import codec
from protocol.errors import HTTP_STATUS, ImError, internal, too_large
from protocol.frames import MAX_CLIENT_FRAME_BYTES, bad_frame, read_object

MAX_ADDRESS_CHARACTERS = 2048
METHOD_NOT_ALLOWED, ADDRESS_TOO_LONG = 405, 414

log = structlog.get_logger()

Rules = list[tuple[str, type[RequestHandler], dict[str, Any]]]
"""Addresses of a door, as patterns, each with its handler and what the handler is given."""

STANDARD_HEADERS = {
    "Content-Type": "application/json; charset=utf-8",
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
}


def error_body(error: dict[str, Any]) -> bytes:
    """`{"error":{"code","message","retry"}}`"""
    return codec.write({"error": error})


class JsonHandler(RequestHandler):
    """Answers errors as JSON, also those of Tornado itself. `trace` is the id of the request; workers log it, too."""

    trace = ""

    def set_default_headers(self) -> None:
        self.trace = self.trace or request_id(self.request.headers.get(HEADER, ""))  # called again where one fails
        self.set_header(HEADER, self.trace)
        for name, value in STANDARD_HEADERS.items():
            self.set_header(name, value)

    def prepare(self) -> None:
        if len(self.request.uri or "") > MAX_ADDRESS_CHARACTERS:
            self.refuse(too_large("an address is at most 2 KiB").data(), ADDRESS_TOO_LONG)

    def read_body(self) -> dict[str, Any]:
        """The object that the body holds, an empty one where there is none. Raises ImError bad_frame, too_large."""
        body = self.request.body
        if len(body) > MAX_CLIENT_FRAME_BYTES:
            raise too_large("a body is at most 64 KiB")
        try:
            return read_object(body.decode() or "{}")
        except UnicodeDecodeError:
            raise bad_frame("this is not UTF-8") from None

    def refuse(self, error: dict[str, Any], status: int = 0) -> None:
        """`{"error":{...}}` with the status of its code, unless another is given."""
        self.set_status(status or HTTP_STATUS[error["code"]])
        if "retry_after" in error:
            self.set_header("Retry-After", str(error["retry_after"]))
        self.finish(error_body(error))

    def methods(self) -> str:
        """Those that this address takes: `GET, POST`."""
        given = {name for kind in type(self).__mro__ if issubclass(kind, JsonHandler) for name in vars(kind)}
        return ", ".join(method for method in self.SUPPORTED_METHODS if method.lower() in given)

    def log_exception(self, typ: Any, value: BaseException | None, tb: TracebackType | None) -> None:
        """Without the query, which Tornado would log: that of a poll holds its session. A bad request is no news."""
        if not isinstance(value, HTTPError):
            log.error("request_raised", trace=self.trace, address=self.request.path, exc_info=value)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        """A refusal of Tornado itself."""
        if status_code >= 500:
            log.error("request_failed", trace=self.trace, address=self.request.path)
            refusal = internal(self.trace)
        elif status_code == METHOD_NOT_ALLOWED:
            self.set_header("Allow", self.methods())
            refusal = bad_frame("this address takes another method")
        else:
            refusal = bad_frame("this is not a request that is understood here")
        self.finish(error_body(refusal.data()))


class UnknownAddress(JsonHandler):
    """Every address that no other handler serves."""

    def prepare(self) -> None:
        self.refuse(ImError("not_found", "there is nothing at this address").data())
