"""Who may listen where: looked at before anything starts."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from ops import ports
from ops.ports import Port, check
from ops.processes import ProcessFailed
from ops.servers.rabbitmq import internal_ports
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
    wanted = [
        Port("w1", "127.0.0.1", number, "W"),
        Port("p1", "127.0.0.1", number, "W"),
        Port("g1", "192.0.2.1", number, "G"),
    ]
    with pytest.raises(ProcessFailed) as failed:
        check(wanted)
    assert f"w1 and p1 are all to listen on port {number} (W); " in str(failed.value)
    assert f"g1 cannot listen on 192.0.2.1:{number} (G): '192.0.2.1' is no address of this machine" in str(failed.value)


@pytest.fixture
def given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What Linux says of the ports that it gives to outgoing connections."""
    monkeypatch.setattr(ports, "RANGE", tmp_path / "ip_local_port_range")
    monkeypatch.setattr(ports, "RESERVED", tmp_path / "ip_local_reserved_ports")
    (tmp_path / "ip_local_port_range").write_text("32768\t60999\n")
    return tmp_path


@pytest.mark.parametrize("range_", ["32768 60999", "10000 65535", "1024 30000", "49152 65535", "20000 29999"])
def test_no_derived_port_is_one_that_outgoing_connections_get(range_: str, given: Path) -> None:
    (given / "ip_local_port_range").write_text(range_)
    taken = ports.ephemeral_ports()
    for port in range(1, 65_536, 1009):
        internal = internal_ports(port)
        assert all(0 < number < 65_536 for number in internal) and port not in internal
        assert not any(number in taken for number in internal), (port, internal)


def test_where_all_are_given_away_the_reserved_are_chosen_and_else_any(given: Path) -> None:
    (given / "ip_local_port_range").write_text("1024 65535")
    assert internal_ports(5673) == (25673, 25674)
    (given / "ip_local_reserved_ports").write_text("80,15673-15674\n")
    assert internal_ports(5673) == (15673, 15674)


def test_a_derived_port_that_is_taken_names_the_setting_from_which_it_follows(given: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        number = listener.getsockname()[1]
        (given / "ip_local_port_range").write_text(f"{number} {number}")
        with pytest.raises(ProcessFailed) as failed:
            check([Port("rabbitmq", "127.0.0.1", number, "HONGYAN_BUS__PORT", 5673)])
    assert str(failed.value) == (
        f"rabbitmq cannot listen on 127.0.0.1:{number} (which follows from HONGYAN_BUS__PORT=5673): another program "
        f"holds it (the system gives {number} to {number} to outgoing connections: better one outside of these). "
        "Choose another by the setting named, or in the configuration."
    )
