"""Every refusal and every close code, with its meaning (protocol.md section 4). Pure.

A refusal is an `ImError`: raised anywhere on the road, turned into an error frame or an HTTP status at a door. The
functions below make refusals; the caller raises or returns them.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

HTTP_STATUS: dict[str, int] = {
    "bad_frame": 400,  # what came is no frame
    "bad_field": 400,  # an argument is missing, of the wrong type or out of range: `field` names it
    "unknown_op": 400,  # there is no such op for this caller
    "unauthenticated": 401,  # no token or password, a wrong one, an expired one, or its session has ended
    "forbidden": 403,  # the caller may see the object and not do this with it
    "not_found": 404,  # the object does not exist, or the caller may not know that it does
    "conflict": 409,  # the cid was used for other content, or the name is taken
    "superseded": 409,  # long-poll: a newer poll of the session took over
    "session_gone": 410,  # long-poll: the session is over; log in again and sync
    "too_large": 413,  # a frame, a text or a list is over its limit
    "rate_limited": 429,  # too many in this time: the same may be sent again after `retry_after` s
    "busy": 503,  # nothing was done: the same may be sent again
    "timeout": 503,  # nobody knows whether it was done: the same may be sent again under the same cid
    "internal": 500,  # a fault of ours, which our logs hold under `trace`
}

MAX_MESSAGE_CHARACTERS = 300

RETRYABLE = frozenset({"busy", "timeout", "rate_limited"})


class ImError(Exception):
    """A refusal. `code` is a key of HTTP_STATUS, `message` one sentence for people, `extra` further fields of the error
    frame, such as `field` or `retry_after`. A message is cut at 300 characters: some quote what came."""

    def __init__(self, code: str, message: str, **extra: Any) -> None:
        super().__init__(message)
        self.code = code
        self.message = message[:MAX_MESSAGE_CHARACTERS]
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

    GOING_AWAY = 1001  # a proxy or a browser leaves; we never send it
    PROTOCOL_ERROR = 1002  # what came is not WebSocket as RFC 6455 has it
    UNSUPPORTED = 1003  # a binary frame came, and frames are text
    NOT_UTF8 = 1007  # the text of a frame is not UTF-8
    POLICY = 1008  # a message came in too many pieces, or was not finished in time
    TOO_LARGE = 1009  # a frame is over 64 KiB
    RESTART = 1012  # this gateway stops: come back after the time that `reconnect` said
    BUSY = 1013  # there is no room now, or the login could not be carried out
    AUTH_TIMEOUT = 4001  # no login came in time
    BAD_FRAMES = 4002  # too many frames were bad
    NOT_LOGGED_IN = 4003  # another frame came before the login
    LOGIN_REFUSED = 4004  # the token of the login does not stand
    KICKED = 4006  # the session or its place is gone; the reason says how: replaced, logged_out ...
    RATE_LIMITED = 4008  # the client went on sending far more than its rate
    HEARTBEAT_TIMEOUT = 4009  # no sign of life came for 2.5 heartbeats
    SLOW_CONSUMER = 4010  # the client did not take what was sent: log in again and sync, nothing is lost
    TOO_MANY_CONNECTIONS = 4011  # the user, or the address, has as many connections as it may have


CLOSE_REASON: dict[Close, str] = {code: code.name.lower() for code in Close}
"""The word that goes with each code, such as "slow_consumer", unless another one is given."""

RECONNECT = frozenset({Close.GOING_AWAY, Close.RESTART, Close.BUSY, Close.HEARTBEAT_TIMEOUT, Close.SLOW_CONSUMER})
