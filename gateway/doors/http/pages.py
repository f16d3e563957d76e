"""Which pages may use a gateway, and how their browsers are told: Origin and CORS (docs/decisions/0035-browsers.md).

Laws: one list governs every door of HTTP. Who sends no Origin is no page of another site, and let in; so are the pages
that came from this very address. Any other Origin is refused unless it is listed, character by character. No cookie is
ever read, so no page is trusted with anything but the token that it holds itself.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from tornado.httputil import HTTPServerRequest

from gateway.doors.http.json_handler import METHOD_NOT_ALLOWED, JsonHandler
from protocol.errors import ImError, forbidden

REQUEST_HEADERS = "Authorization, Content-Type"
ANSWER_HEADERS = "Retry-After, X-Request-Id"
PREFLIGHT_S = 7200  # Chromium believes no longer


class Origins:
    """`listed` are the origins of pages, such as "https://chat.example.com", that may use the gateway."""

    def __init__(self, listed: tuple[str, ...] = ()) -> None:
        self._listed = frozenset(listed)

    def __repr__(self) -> str:
        return f"Origins({', '.join(sorted(self._listed)) or 'none but our own'})"

    def admits(self, request: HTTPServerRequest) -> bool:
        """Whether whoever asks may."""
        origin = request.headers.get("Origin", "")
        return not origin or origin in self._listed or _is_ours(origin, request)


def _is_ours(origin: str, request: HTTPServerRequest) -> bool:
    """Whether the page came from where it asks."""
    try:
        scheme, netloc, *_ = urlsplit(origin)
    except ValueError:
        return False
    return scheme in ("http", "https") and netloc == request.headers.get("Host")


class PageHandler(JsonHandler):
    """An address that pages may ask. The list is the setting `origins` of the application."""

    @property
    def is_admitted(self) -> bool:
        origins: Origins = self.settings["origins"]
        return origins.admits(self.request)

    def prepare(self) -> None:
        if self.is_admitted:
            super().prepare()
        else:
            self.refuse(not_listed().data())


class CorsHandler(PageHandler):
    """One whose answers scripts of pages read, if its headers let them (the Fetch standard, "CORS protocol")."""

    def set_default_headers(self) -> None:
        super().set_default_headers()
        self.set_header("Vary", "Origin")
        origin = self.request.headers.get("Origin", "")
        if origin and self.is_admitted:
            self.set_header("Access-Control-Allow-Origin", origin)
            self.set_header("Access-Control-Expose-Headers", ANSWER_HEADERS)

    def options(self, *_: str) -> None:
        """A preflight: may a page make the request that it names? Where nginx stands in front, it answers that."""
        if not all(name in self.request.headers for name in ("Origin", "Access-Control-Request-Method")):
            self.send_error(METHOD_NOT_ALLOWED)
            return
        self.clear_header("Content-Type")
        self.set_header("Access-Control-Allow-Methods", self.methods())
        self.set_header("Access-Control-Allow-Headers", REQUEST_HEADERS)
        self.set_header("Access-Control-Max-Age", str(PREFLIGHT_S))
        self.set_status(204)


def not_listed() -> ImError:
    """The refusal of a page whose origin is not on the list."""
    return forbidden("pages of this origin may not use this server: gateway.origins lists who may")
