"""What stands in Redis is read as it was written, by older versions too."""

from __future__ import annotations

from router.interface import GatewayLease
from router.redis.records import read_lease, write_lease


def test_a_lease_is_read_as_it_was_written() -> None:
    lease = GatewayLease("g.1", "e1", "127.0.0.1", 9001, "draining", 17, 9101)
    assert read_lease(write_lease(lease).decode()) == lease


def test_a_lease_without_a_tcp_port_is_one_of_an_older_version() -> None:
    text = '{"id":"g1","epoch":"e1","host":"127.0.0.1","port":9001,"state":"up","connections":0}'
    assert read_lease(text) == GatewayLease("g1", "e1", "127.0.0.1", 9001, "up", 0, 0)
