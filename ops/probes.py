"""Whether a server really serves: each probe talks its protocol for a moment. Standard library only.

A probe answers False while the server is not there yet and raises ProcessFailed when waiting cannot help.
"""

from __future__ import annotations

import errno
import socket
import ssl
import struct
import urllib.error
import urllib.request
from io import BufferedRWPair

from ops.processes import ProcessFailed

TIMEOUT_S = 1.0
METRICS_S = 10.0
AMQP_PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
AMQP_START, AMQP_TUNE, AMQP_OPEN_OK, AMQP_CLOSE, AMQP_CLOSE_OK = (10, 10), (10, 30), (10, 41), (10, 50), (10, 51)
AMQP_FRAME_END = b"\xce"
TUNE_OK = struct.pack(">HIH", 1, 131_072, 0)  # one channel, frames of 128 KiB, no heartbeat
LISTENING_FAILS = {
    errno.EADDRINUSE: "another program holds it",
    errno.EADDRNOTAVAIL: "{host!r} is no address of this machine",
    errno.EACCES: "this user may not listen there",
}
REFUSED = (
    "RabbitMQ on port {port} refuses the user {user!r}: its data was made with another password. "
    "Stop it and remove its data directory, or give back the secrets it was made with."
)


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
    return "127.0.0.1" if host == "0.0.0.0" else host


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


def redis_command(host: str, port: int, password: str, *words: str) -> str:
    """The first line of the answer to one command, after AUTH. Raises OSError."""
    with socket.create_connection((host, port), TIMEOUT_S) as connection, connection.makefile("rwb") as stream:
        for command in (("AUTH", password), words):
            stream.write(b"*%d\r\n" % len(command))
            stream.writelines(b"$%d\r\n%s\r\n" % (len(word.encode()), word.encode()) for word in command)
        stream.flush()
        authorised = stream.readline().decode().strip()
        if authorised.startswith(("-WRONGPASS", "-ERR")):
            raise ProcessFailed(f"Redis on port {port} refuses the password: is it another one's?")
        return stream.readline().decode().strip()


def redis_serves(host: str, port: int, password: str) -> bool:
    try:
        return redis_command(host, port, password, "PING") == "+PONG"
    except OSError:
        return False


def rabbitmq_serves(host: str, port: int, user: str, password: str, virtual_host: str = "/") -> bool:
    """A whole AMQP 0-9-1 connection: login, virtual host and a close in order, which the broker does not log."""
    steps = (
        (AMQP_PROTOCOL_HEADER, AMQP_START),
        (_amqp_method(11, _login(user, password)), AMQP_TUNE),
        (_amqp_method(31, TUNE_OK) + _amqp_method(40, _short(virtual_host) + b"\0\0"), AMQP_OPEN_OK),
        (_amqp_method(50, struct.pack(">H", 200) + _short("") + b"\0\0\0\0"), AMQP_CLOSE_OK),
    )
    try:
        with socket.create_connection((host, port), TIMEOUT_S) as connection, connection.makefile("rwb") as stream:
            connection.settimeout(3 * TIMEOUT_S)
            for request, expected in steps:
                stream.write(request)
                stream.flush()
                answer = _read_method(stream)
                if answer == AMQP_CLOSE:
                    raise ProcessFailed(REFUSED.format(port=port, user=user))
                if answer != expected:
                    return False
    except OSError:
        return False
    return True


def _amqp_method(method: int, arguments: bytes) -> bytes:
    """A frame of channel 0 with a method of class connection."""
    payload = struct.pack(">HH", 10, method) + arguments
    return struct.pack(">BHI", 1, 0, len(payload)) + payload + AMQP_FRAME_END


def _login(user: str, password: str) -> bytes:
    """connection.start-ok's arguments: PLAIN, and the one capability that has a refusal told by connection.close."""
    properties = _short("capabilities") + b"F" + _long(_short("authentication_failure_close") + b"t\x01")
    return _long(properties) + _short("PLAIN") + _long(f"\0{user}\0{password}".encode()) + _short("en_US")


def _short(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def _long(content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + content


def _read_method(stream: BufferedRWPair) -> tuple[int, int]:
    """The (class, method) of the next frame; (0, 0) at the end of the stream."""
    header = stream.read(7)
    if len(header) < 7:
        return 0, 0
    (length,) = struct.unpack(">I", header[3:7])
    payload = stream.read(length + 1)
    return struct.unpack(">HH", payload[:4]) if len(payload) > 4 else (0, 0)
