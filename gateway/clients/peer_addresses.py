"""How many connections come from one client address, as far as that is known.

Laws: what a client says of its address counts only where it comes from a proxy that we trust, and then the proxy's own
address does not. Of IPv6 a /64 counts as one address: every home has all of one. This machine's own addresses are not
counted: its proxies and tools have them in common.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from tornado.httputil import HTTPServerRequest

from protocol.addresses import ip_of, network_of

UNKNOWN = ""
MAPPED = "::ffff:"  # begins an IPv4 address that an IPv6 socket names


class PeerAddresses:
    """`trusted` are the addresses of proxies; `at_most` connections of one address are let in."""

    def __init__(self, trusted: Iterable[str], at_most: int) -> None:
        self._trusted = frozenset(trusted)
        self._at_most = at_most
        self._counts: Counter[str] = Counter()

    def __repr__(self) -> str:
        return f"PeerAddresses({len(self._counts)} addresses, at most {self._at_most} connections each)"

    def of_request(self, request: HTTPServerRequest) -> str:
        """See `of`."""
        return self.of(request.remote_ip or "", request.headers.get("X-Real-IP", ""))

    def of(self, peer: str, real_ip: str = "") -> str:
        """The client's address, by the socket's peer and what a proxy says; UNKNOWN where neither tells."""
        found = ip_of(real_ip if peer.removeprefix(MAPPED) in self._trusted else peer)
        return UNKNOWN if found is None else str(found)

    def is_full(self, address: str) -> bool:
        """Whether one more connection from this address would be too many."""
        return self._counts[network_of(address)] >= self._at_most

    def enter(self, address: str) -> None:
        if _is_counted(address):
            self._counts[network_of(address)] += 1

    def leave(self, address: str) -> None:
        if _is_counted(address):
            network = network_of(address)
            self._counts[network] -= 1
            if not self._counts[network]:
                del self._counts[network]


def _is_counted(address: str) -> bool:
    found = ip_of(address)
    return found is not None and not found.is_loopback
