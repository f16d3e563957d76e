"""Every refusal and every close code, with its meaning (protocol.md section 4). Pure.

A refusal is an `ImError`: raised anywhere on the road, turned into an error frame or an HTTP status at a door. The
functions below make refusals; the caller raises or returns them.
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
    """A refusal. `code` is a key of HTTP_STATUS, `message` one sentence for people, `extra` further fields of the error
    frame, such as `field` or `retry_after`."""

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
    """The field `name` is missing, empty, of the wrong type or out of range."""
    return ImError("bad_field", f"{name}: {why}", field=name)


def unknown_op() -> ImError:
    """No such op, or none for this caller."""
    return ImError("unknown_op", "there is no such op")


def unauthenticated() -> ImError:
    """The caller has not shown who it is; the message is the same for every reason, so that it gives nothing away."""
    return ImError("unauthenticated", "the token or the password is missing, wrong, expired or revoked")


def forbidden(why: str) -> ImError:
    """The caller may see the object and may not do this to it; `why` is a sentence for people."""
    return ImError("forbidden", why)


def not_found() -> ImError:
    """There is no such object, or the caller may not know of it: the same bytes in both cases."""
    return ImError("not_found", "there is no such object for you")


def conflict(why: str = "this cid was used for other content") -> ImError:
    """Something else has this cid, or this name; `why` is a sentence for people."""
    return ImError("conflict", why)


def too_large(what: str) -> ImError:
    """A frame, a text or a list is over its limit, which `what` names."""
    return ImError("too_large", what)


def busy() -> ImError:
    """Nothing was carried out, and the same may succeed later."""
    return ImError("busy", "the system cannot take this now: send it again with the same cid")


def rate_limited(retry_after_s: int) -> ImError:
    """The caller sends more than it may; what it sends after `retry_after_s` seconds is taken."""
    why = f"more than is allowed in this time: send it again after {retry_after_s} s"
    return ImError("rate_limited", why, retry_after=retry_after_s)


def timeout() -> ImError:
    """It may have been carried out: only a retry under the same cid finds out."""
    return ImError("timeout", "the outcome is not known: send it again with the same cid")


def internal(trace: str) -> ImError:
    """A fault of ours. `trace` is the id under which logs have it; the answer says nothing else of it."""
    return ImError("internal", "a fault of ours", trace=trace)


class Close(IntEnum):
    """Close codes of a connection: RFC 6455 section 7.4.1 below 4000, our own from there on.

    After a code of RECONNECT a client comes back by itself, after any other it stops.
    """

    GOING_AWAY = 1001  # this gateway ends
    PROTOCOL_ERROR = 1002  # bytes that are no WebSocket
    UNSUPPORTED = 1003  # a binary frame
    NOT_UTF8 = 1007
    POLICY = 1008  # a message in too many pieces, or one that is never finished
    TOO_LARGE = 1009  # a frame over 64 KiB
    RESTART = 1012  # this gateway drains: another one serves
    BUSY = 1013  # a login cannot be served now
    AUTH_TIMEOUT = 4001  # no login in time
    BAD_FRAMES = 4002  # one bad frame after another
    NOT_LOGGED_IN = 4003  # the first frame was no login
    LOGIN_REFUSED = 4004
    KICKED = 4006  # replaced, logged out, disabled: the reason says which
    RATE_LIMITED = 4008  # far over its rate for long
    HEARTBEAT_TIMEOUT = 4009  # silence
    SLOW_CONSUMER = 4010  # it does not take what it is sent
    TOO_MANY_CONNECTIONS = 4011  # of one user, or of one address


# The reason that stands beside the code in the close frame: a word where a client may act on it, a sentence where only
# the developer of a client ever sees it.
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
