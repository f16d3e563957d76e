"""How long a gateway of TCP is known, and what stands in nginx's list: pure. The rest is in test_door.py."""

from __future__ import annotations

from pathlib import Path

import msgspec
from structlog.testing import capture_logs

from conf.secrets import generate
from conf.settings import load
from ops.servers.nginx import directory_of
from ops.servers.tcp_door import GRACE_S, NOBODY, KnownGateways, TcpDoor
from router.interface import GatewayLease
from tests.private_servers import ROOT
from tests.small_disk import small_disk


def lease(name: str, tcp_port: int = 9101, state: str = "up", host: str = "127.0.0.1") -> GatewayLease:
    return GatewayLease(name, "e1", host, 9001, state, 0, tcp_port)


def test_those_that_are_up_are_listed_in_order() -> None:
    known = KnownGateways()
    known.found([lease("g2", 9102), lease("g1"), lease("g3", 9103, "draining"), lease("g4", 0)], 0.0)
    assert known.servers() == (
        "server 127.0.0.1:9101 max_fails=1 fail_timeout=10s;\nserver 127.0.0.1:9102 max_fails=1 fail_timeout=10s;\n"
    )


def test_nobody_is_a_list_too() -> None:
    assert KnownGateways().servers() == NOBODY


def test_what_is_no_address_is_left_out() -> None:
    known = KnownGateways()
    known.found([lease("g1", host="127.0.0.1; include /etc/passwd"), lease("g2", host="example")], 0.0)
    assert known.servers() == NOBODY


def test_a_missing_gateway_stays_for_the_grace_only() -> None:
    known = KnownGateways()
    known.found([lease("g1")], 0.0)
    known.found([], GRACE_S - 0.1)
    assert known.servers() != NOBODY
    known.found([], GRACE_S)
    assert known.servers() == NOBODY


def test_nobody_is_missing_while_redis_is_away() -> None:
    known = KnownGateways()
    known.found([lease("g1")], 0.0)
    known.not_asked(1000.0)
    known.found([], 1000.0 + GRACE_S - 0.1)
    assert known.servers() != NOBODY


class OneGateway:
    """A router that knows one gateway."""

    def gateways(self) -> list[GatewayLease]:
        return [lease("g1")]


def test_a_list_that_a_full_disk_does_not_take_is_written_when_it_does(tmp_path: Path) -> None:
    generate(tmp_path)
    with small_disk(tmp_path / "var", 1) as disk:
        configured = load(ROOT / "conf" / "cluster.toml", {"HONGYAN_VAR": str(tmp_path)})
        settings = msgspec.structs.replace(configured, var=disk.path)
        written = directory_of(disk.path) / "tcp_gateways.conf"
        written.parent.mkdir()
        door = TcpDoor(settings, OneGateway())  # type: ignore[arg-type]
        disk.fill()
        with capture_logs() as logged:
            assert [door._look() for _ in range(3)] == [False, False, False]
        assert [line["event"] for line in logged] == ["tcp_gateways_not_written"]
        disk.make_room()
        assert door._look()
        assert "127.0.0.1:9101" in written.read_text()
