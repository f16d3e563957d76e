"""The door and its gateways on IPv6."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from ops.servers.tcp_door import KnownGateways
from router.interface import GatewayLease
from tests.nginx.door import Door, open_door, until
from tests.nginx.stub_gateway import StubGateway

pytestmark = pytest.mark.servers
HERE = "::1"


@pytest.fixture
def ipv6_door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    try:
        socket.create_server((HERE, 0), family=socket.AF_INET6).close()
    except OSError as error:
        pytest.skip(f"this machine has no IPv6: {error}")
    with open_door(tmp_path_factory.mktemp("door"), host=HERE) as door:
        yield door


def ask(port: int) -> tuple[int, dict[str, Any]]:
    connection = http.client.HTTPConnection(HERE, port, timeout=10)
    connection.request("POST", "/api/user.get", b"{}", {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


async def test_a_gateway_on_ipv6_is_found_and_shunned_and_found_again(ipv6_door: Door) -> None:
    async with StubGateway(ipv6_door, "six", host=HERE) as six, StubGateway(ipv6_door, "four") as four:
        six.announce()
        four.announce(connections=1000)
        await until(lambda: all(f"gateway {name} is up" in ipv6_door.said() for name in ("six", "four")))
        seen = [await asyncio.to_thread(ask, ipv6_door.port) for _ in range(8)]
        assert {answer["gateway"] for _, answer in seen} == {"six", "four"}
        await six.refuse()
        seen = [await asyncio.to_thread(ask, ipv6_door.port) for _ in range(8)]
        # A connection that was kept for reuse may die under a request: nobody knows then what became of it.
        assert all(status == 200 or answer["error"]["code"] == "timeout" for status, answer in seen)
        assert {(status, answer.get("gateway")) for status, answer in seen[-4:]} == {(200, "four")}


def test_the_list_for_tcp_has_brackets() -> None:
    known = KnownGateways()
    known.found([GatewayLease("g1", "e1", HERE, 9001, "up", 0, 9101)], 0.0)
    assert known.servers() == "server [::1]:9101 max_fails=1 fail_timeout=10s;\n"
