"""The id by which a request is known in its answer and in logs: `X-Request-Id` (protocol.md section 3)."""

from __future__ import annotations

import re

from protocol import ids

HEADER = "X-Request-Id"
_GIVEN = re.compile(r"[A-Za-z0-9-]{8,64}\Z")


def request_id(given: str = "") -> str:
    """The id that nginx or the client has given the request, else a new one."""
    return given if _GIVEN.match(given) else ids.new_id()
