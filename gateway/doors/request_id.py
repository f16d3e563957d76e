"""Every HTTP answer says by which id its request is known in logs: `X-Request-Id` (protocol.md section 3)."""

from __future__ import annotations

import re

from tornado.web import RequestHandler

from protocol import ids

HEADER = "X-Request-Id"
_GIVEN = re.compile(r"[A-Za-z0-9-]{8,64}\Z")


class NamedRequest(RequestHandler):
    """`trace` is the id that nginx has given the request, else one of ours; workers log it, too."""

    trace = ""

    def set_default_headers(self) -> None:
        if not self.trace:  # Tornado calls this again for the answer of a request that failed
            given = self.request.headers.get(HEADER, "")
            self.trace = given if _GIVEN.match(given) else ids.new_id()
        self.set_header(HEADER, self.trace)
