"""Runs the nginx of TCP (nginx/tcp.conf) and tells it which gateways take newcomers, as Redis has them each second.

Laws:
- nginx is our child: it is told to read its list again only when the list changed, and ends with us. If it dies, we do.
- While Redis does not answer the last list stays. A gateway that is missing while Redis answers stays for 4 s: so long
  gateways take to fill a flushed Redis again.
- A change touches no connection that is there: its worker stays as long as it lives.

Called by scripts/cluster.sh: python -m ops.servers.tcp_door --config FILE
"""

from __future__ import annotations

import argparse
import contextlib
import ipaddress
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from pathlib import Path

import structlog

from conf.mistakes import BadSettings
from conf.settings import Settings, load
from ops.processes import ProcessFailed
from ops.programs import MissingServer, plain_environment
from ops.servers.nginx import directory_of, nginx_command
from ops.templates import write_private
from process.logs import configure_logs
from process.private_files import write_for_us_only
from process.signals import stop_thread_on_signals
from protocol.addresses import socket_place
from router.interface import RENEW_S, GatewayLease, Resolver, RouterAway
from router.redis.address import RedisAddress
from router.redis.keys import Keys
from router.redis.resolver import RedisResolver

EVERY_S = 1.0
GRACE_S = RENEW_S + 1.0
STOP_S = 5.0
NOBODY = "server 127.0.0.1:1 down;\n"

log = structlog.get_logger()


class KnownGateways:
    """The gateways, as long as they are known: pure, `now` is monotonic (s)."""

    def __init__(self) -> None:
        self._leases: dict[str, GatewayLease] = {}
        self._missing_at: dict[str, float] = {}

    def __repr__(self) -> str:
        return f"KnownGateways({', '.join(f'{lease.id} {lease.state}' for lease in self._leases.values())})"

    def found(self, leases: Iterable[GatewayLease], now: float) -> None:
        """Redis answered."""
        for lease in leases:
            self._leases[lease.id] = lease
            self._missing_at[lease.id] = now + GRACE_S
        for gone in [name for name, at in self._missing_at.items() if at <= now]:
            del self._leases[gone], self._missing_at[gone]

    def not_asked(self, now: float) -> None:
        """Redis did not answer: nobody is missing."""
        self._missing_at = dict.fromkeys(self._missing_at, now + GRACE_S)

    def servers(self) -> str:
        """The lines of nginx's upstream: who is up and has a TCP door."""
        lines = [
            f"server {socket_place(lease.host, lease.tcp_port)} max_fails=1 fail_timeout=10s;\n"
            for lease in sorted(self._leases.values(), key=lambda lease: lease.id)
            if lease.state == "up" and lease.tcp_port and _is_address(lease.host)
        ]
        return "".join(lines) or NOBODY


class TcpDoor:
    """One nginx and its list of gateways."""

    def __init__(self, settings: Settings, resolver: Resolver) -> None:
        self._settings, self._resolver = settings, resolver
        self._known = KnownGateways()
        self._list = directory_of(settings.var) / "tcp_gateways.conf"
        self._written = ""
        self._cannot_write = False

    def __repr__(self) -> str:
        return f"TcpDoor({self._known})"

    def run(self, stopping: threading.Event) -> int:
        """Until `stopping` is set, or until nginx ends: then 1."""
        self._look()
        nginx = subprocess.Popen(nginx_command(self._settings, "tcp.conf"), env=plain_environment())
        try:
            while not stopping.wait(EVERY_S) and nginx.poll() is None:
                if self._look():
                    nginx.send_signal(signal.SIGHUP)
            return 0 if nginx.poll() is None else 1
        finally:
            nginx.terminate()
            with contextlib.suppress(subprocess.TimeoutExpired):
                nginx.wait(STOP_S)
            nginx.kill()

    def _look(self) -> bool:
        """Ask Redis; whether the list was changed."""
        try:
            self._known.found(self._resolver.gateways(), time.monotonic())
        except RouterAway:
            self._known.not_asked(time.monotonic())
        servers = self._known.servers()
        if servers == self._written:
            return False
        try:
            write_private(self._list, servers)
        except OSError as error:  # a full disk: the last list stays, and the next look tries again
            if not self._cannot_write:
                log.error("tcp_gateways_not_written", list=str(self._list), cause=error.strerror)
            self._cannot_write = True
            return False
        self._written, self._cannot_write = servers, False
        log.info("tcp_gateways", known=repr(self._known))
        return True


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def main(words: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m ops.servers.tcp_door", description="Balances TCP over the gateways."
    )
    parser.add_argument("--config", type=Path, required=True)
    options = parser.parse_args(words)
    write_for_us_only()
    try:
        settings = load(options.config)
        configure_logs("nginx-tcp")
        router = settings.router
        address = RedisAddress(router.host, router.port, router.password)
        door = TcpDoor(settings, RedisResolver(address, Keys(router.prefix)))
        return door.run(stop_thread_on_signals())
    except (BadSettings, MissingServer, ProcessFailed, OSError) as error:
        print(f"ops.servers.tcp_door: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
