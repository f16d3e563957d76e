"""Every refusal and every close, each with one sentence of meaning (protocol.md section 4).

A refusal is an `ImError`: raised anywhere on the road, turned into an error frame or an HTTP status at a door.
`not_found` never says what was looked for, so that a forbidden object and a missing one give the same bytes.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

HTTP_STATUS: dict[str, int] = {
    "bad_frame": 400,
    "bad_field": 400,
    "unknown_op": 400,
    "unauthenticated": 401,
    "forbidden": 403,
    "not_found": 404,
    "conflict": 409,
    "superseded": 409,
    "session_gone": 410,
    "too_large": 413,
    "rate_limited": 429,
    "busy": 503,
    "timeout": 503,
    "internal": 500,
}

RETRYABLE = frozenset({"busy", "timeout", "rate_limited"})


class ImError(Exception):
    """A refusal with its code of protocol.md section 4; `message` is one sentence for people."""

    def __init__(self, code: str, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.extra = extra

    def __repr__(self) -> str:
        return f"ImError({self.code}: {self.message})"

    @property
    def status(self) -> int:
        """The HTTP status of this refusal."""
        return HTTP_STATUS[self.code]

    def data(self) -> dict[str, Any]:
        """The `data` of the error frame, and the `error` of an HTTP answer."""
        return {"code": self.code, "message": self.message, "retry": self.code in RETRYABLE, **self.extra}


def bad_field(name: str, why: str) -> ImError:
    return ImError("bad_field", f"{name}: {why}", field=name)


def unknown_op() -> ImError:
    return ImError("unknown_op", "there is no such op")


def unauthenticated() -> ImError:
    return ImError("unauthenticated", "the token or the password is missing, wrong, expired or revoked")


def forbidden(why: str) -> ImError:
    return ImError("forbidden", why)


def not_found() -> ImError:
    return ImError("not_found", "there is no such object for you")


def conflict(why: str = "this cid was used for other content") -> ImError:
    return ImError("conflict", why)


def too_large(what: str) -> ImError:
    return ImError("too_large", what)


def busy() -> ImError:
    return ImError("busy", "the system cannot take this now: send it again with the same cid")


def rate_limited(retry_after_s: int) -> ImError:
    why = f"more than is allowed in this time: send it again after {retry_after_s} s"
    return ImError("rate_limited", why, retry_after=retry_after_s)


def timeout() -> ImError:
    return ImError("timeout", "the outcome is not known: send it again with the same cid")


def internal(trace: str) -> ImError:
    return ImError("internal", "a fault of ours", trace=trace)


class Close(IntEnum):
    """Close codes of a connection. After a RECONNECT code a client comes back by itself, after any other it stops."""

    GOING_AWAY = 1001
    PROTOCOL_ERROR = 1002
    UNSUPPORTED = 1003
    NOT_UTF8 = 1007
    POLICY = 1008
    TOO_LARGE = 1009
    RESTART = 1012
    BUSY = 1013
    AUTH_TIMEOUT = 4001
    BAD_FRAMES = 4002
    NOT_LOGGED_IN = 4003
    LOGIN_REFUSED = 4004
    KICKED = 4006
    RATE_LIMITED = 4008
    HEARTBEAT_TIMEOUT = 4009
    SLOW_CONSUMER = 4010
    TOO_MANY_CONNECTIONS = 4011


CLOSE_REASON: dict[Close, str] = {
    Close.GOING_AWAY: "going_away",
    Close.PROTOCOL_ERROR: "this is not WebSocket as RFC 6455 has it",
    Close.UNSUPPORTED: "binary frames are not spoken here",
    Close.NOT_UTF8: "text that is not UTF-8",
    Close.POLICY: "a message in too many pieces, or never finished",
    Close.TOO_LARGE: "message too big",
    Close.RESTART: "restart",
    Close.BUSY: "busy",
    Close.AUTH_TIMEOUT: "auth_timeout",
    Close.BAD_FRAMES: "bad_frames",
    Close.NOT_LOGGED_IN: "not_logged_in",
    Close.LOGIN_REFUSED: "login_refused",
    Close.KICKED: "kicked",
    Close.RATE_LIMITED: "rate_limited",
    Close.HEARTBEAT_TIMEOUT: "heartbeat_timeout",
    Close.SLOW_CONSUMER: "slow_consumer",
    Close.TOO_MANY_CONNECTIONS: "too_many_connections",
}

RECONNECT = frozenset({Close.GOING_AWAY, Close.RESTART, Close.BUSY, Close.HEARTBEAT_TIMEOUT, Close.SLOW_CONSUMER})
