"""What a look at a port tells: whether a server could listen there, accepts, answers HTTP, and what it counts."""

from __future__ import annotations

import errno
import socket
import ssl
import urllib.error
import urllib.request

TIMEOUT_S = 1.0
METRICS_S = 10.0
LISTENING_FAILS = {
    errno.EADDRINUSE: "another program holds it",
    errno.EADDRNOTAVAIL: "{host!r} is no address of this machine",
    errno.EACCES: "this user may not listen there",
}


def is_port_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    return not port_trouble(host, port)


def port_trouble(host: str, port: int) -> str:
    """Why no server can listen there now, in words; empty if one can."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
    except (socket.gaierror, UnicodeError):
        return f"{host!r} is no address of this machine"
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(address)
            listener.listen(1)
        except OSError as error:
            return LISTENING_FAILS.get(error.errno or 0, "{error}").format(host=host, error=error.strerror)
    return ""


def reachable(host: str) -> str:
    """The address at which a server that listens on `host` is found from here."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)


def accepts(host: str, port: int) -> bool:
    """Whether somebody accepts a TCP connection there."""
    try:
        with socket.create_connection((host, port), TIMEOUT_S):
            return True
    except OSError:
        return False


def answers_http(url: str, tls: ssl.SSLContext | None = None) -> bool:
    """Whether a GET of `url` answers 200; `tls` is how an https one is verified."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=tls))
    try:
        with opener.open(url, timeout=2 * TIMEOUT_S) as response:
            return bool(response.status == 200)
    except (OSError, urllib.error.URLError, ValueError):
        return False


def metric(port: int, name: str) -> int:
    """A counter or gauge of one of our processes, named with its labels; 0 where it has none. Raises OSError."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=METRICS_S) as answer:
        lines = answer.read().decode().splitlines()
    return sum(int(float(line.removeprefix(f"{name} "))) for line in lines if line.startswith(f"{name} "))
