"""Who may listen where: looked at before anything starts."""

from __future__ import annotations

import pytest

from ops.ports import Port, check
from ops.processes import ProcessFailed
from tests.private_servers import free_ports


@pytest.fixture
def number() -> int:
    return free_ports()["gateway"]


def test_two_addresses_of_this_machine_may_have_one_number(number: int) -> None:
    check([Port("nginx", "127.0.0.2", number, "N"), Port("g1", "127.0.0.1", number, "G")])


@pytest.mark.parametrize(
    ("first", "second"),
    [("127.0.0.1", "127.0.0.1"), ("localhost", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("127.0.0.1", "0.0.0.0")],
)
def test_one_address_or_all_of_them_exclude_each_other(first: str, second: str, number: int) -> None:
    with pytest.raises(ProcessFailed, match=rf"nginx and g1 are all to listen on port {number} \(N and G\)"):
        check([Port("nginx", first, number, "N"), Port("g1", second, number, "G")])


def test_all_that_is_wrong_is_named(number: int) -> None:
    ports = [
        Port("w1", "127.0.0.1", number, "W"),
        Port("p1", "127.0.0.1", number, "W"),
        Port("g1", "192.0.2.1", number, "G"),
    ]
    with pytest.raises(ProcessFailed) as failed:
        check(ports)
    assert f"w1 and p1 are all to listen on port {number} (W); " in str(failed.value)
    assert f"g1 cannot listen on 192.0.2.1:{number} (G): '192.0.2.1' is no address of this machine" in str(failed.value)
