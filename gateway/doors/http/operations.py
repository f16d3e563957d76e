"""`/healthz` (the process lives), `/readyz` (it can serve: bus, router, store), `/metrics` (protocol.md section 3)."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gateway.doors.http.json_handler import JsonHandler, Rules

Checks = Callable[[], dict[str, bool]]


def operations_rules(checks: Checks) -> Rules:
    """Whether it can serve, and its figures: for operators, not for clients."""
    return [(r"/readyz", Readyz, {"checks": checks}), (r"/metrics", Metrics, {})]


def health_rules(name: str) -> Rules:
    """Whether it lives."""
    return [(r"/healthz", Healthz, {"name": name})]


class Healthz(JsonHandler):
    """200 as long as the loop turns."""

    def initialize(self, name: str) -> None:
        self._name = name

    def get(self) -> None:
        self.write({"name": self._name, "ok": True})


class Readyz(JsonHandler):
    """200 with what is up, 503 when something is not."""

    def initialize(self, checks: Checks) -> None:
        self._checks = checks

    def get(self) -> None:
        checks = self._checks()
        self.set_status(200 if all(checks.values()) else 503)
        self.write(dict(checks))


class Metrics(JsonHandler):
    def get(self) -> None:
        self.set_header("Content-Type", CONTENT_TYPE_LATEST)
        self.write(generate_latest())
