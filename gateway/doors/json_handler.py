"""What every HTTP address of a client has in common: a JSON object in, JSON out, also where it refuses."""

from __future__ import annotations

from types import TracebackType
from typing import Any

import structlog
from tornado.web import HTTPError, RequestHandler

from gateway.doors.request_id import NamedRequest
from protocol import codec
from protocol.errors import HTTP_STATUS, ImError, internal, too_large
from protocol.frames import MAX_CLIENT_FRAME_BYTES, bad_frame, read_object

log = structlog.get_logger()

Rules = list[tuple[str, type[RequestHandler], dict[str, Any]]]
"""Addresses of a door, as patterns, each with its handler and what the handler is given."""


class JsonHandler(NamedRequest):
    """Answers errors as JSON, also those of Tornado itself."""

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Content-Type-Options", "nosniff")

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
        """`{"error":{"code","message","retry"}}` with the status of its code, unless another is given."""
        self.set_status(status or HTTP_STATUS[error["code"]])
        if "retry_after" in error:
            self.set_header("Retry-After", str(error["retry_after"]))
        self.finish(codec.write({"error": error}))

    def log_exception(self, typ: Any, value: BaseException | None, tb: TracebackType | None) -> None:
        """Without the query, which Tornado would log: that of a poll holds its session. A bad request is no news."""
        if not isinstance(value, HTTPError):
            log.error("request_raised", trace=self.trace, address=self.request.path, exc_info=value)

    def write_error(self, status_code: int, **kwargs: Any) -> None:
        if status_code >= 500:
            refusal = internal(self.trace)
            log.error("request_failed", trace=self.trace, address=self.request.path)
        else:
            codes = {404: "not_found", 405: "unknown_op", 413: "too_large"}
            refusal = ImError(codes.get(status_code, "bad_frame"), "this address does not do that")
        self.finish(codec.write({"error": refusal.data()}))


class UnknownAddress(JsonHandler):
    """Every address that no other handler serves."""

    def prepare(self) -> None:
        self.set_status(404)
        self.finish(codec.write({"error": ImError("not_found", "there is nothing at this address").data()}))
