"""A worker's /metrics, /healthz and /readyz (protocol.md section 3), by the server of prometheus_client in a thread."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

from prometheus_client import make_wsgi_app, start_http_server


def serve_health(host: str, port: int, name: str, is_ready: Callable[[], bool]) -> Callable[[], None]:
    """Start to serve on `host`:`port`; returns a function that stops it. /readyz is 200 while `is_ready()`, which is
    called on the server's thread, else 503. Raises OSError where the port is taken."""
    metrics = make_wsgi_app()

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[Any]:
        path = environ.get("PATH_INFO", "")
        if path == "/metrics":
            return metrics(environ, start_response)  # type: ignore[no-any-return]
        if path not in ("/healthz", "/readyz"):
            start_response("404 Not Found", [("Content-Type", "text/plain")])
            return [b"not found\n"]
        is_well = path == "/healthz" or is_ready()
        start_response("200 OK" if is_well else "503 Service Unavailable", [("Content-Type", "text/plain")])
        return [f"{name} {'ok' if is_well else 'not ready'}\n".encode()]

    try:
        server, thread = start_http_server(port, host)
    except OSError as error:
        raise OSError(error.errno, f"cannot listen on {host}:{port} (--metrics-port): {error.strerror}") from error
    server.set_app(application)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
