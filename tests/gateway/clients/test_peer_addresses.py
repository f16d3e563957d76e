"""How many connections one client address may have."""

from __future__ import annotations

import pytest

from gateway.clients.peer_addresses import UNKNOWN, PeerAddresses


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        ("192.0.2.7", "192.0.2.7", True),
        ("192.0.2.7", "192.0.2.8", False),
        ("2001:db8:1:2::7", "2001:db8:1:2:ffff::8", True),  # all of a /64 is one client's
        ("2001:db8:1:2::7", "2001:db8:1:3::7", False),
        ("::1", "::1", False),  # our own are not counted
        (UNKNOWN, UNKNOWN, False),
    ],
)
def test_a_network_of_ipv6_counts_as_one_address(first: str, second: str, is_one: bool) -> None:
    peers = PeerAddresses((), 1)
    peers.enter(first)
    assert peers.is_full(second) == is_one
    peers.leave(first)
    assert not peers.is_full(second)
    assert not peers._counts
