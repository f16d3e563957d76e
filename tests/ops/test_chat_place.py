"""Where chat.sh goes in when it is told little, and that it sees what the system was started with."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conf.mistakes import BadSettings
from conf.secrets import generate
from conf.sections import GatewaySettings
from conf.settings import load
from ops import run_environment
from ops.chat.place import find_place
from ops.probes import is_port_free
from ops.standalone import standalone_process


@pytest.fixture(autouse=True)
def var(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A var of its own, with ports at which nobody listens."""
    generate(tmp_path)
    for name, value in {"VAR": str(tmp_path), "GATEWAY__PORT": "17", "GATEWAY__TCP_PORT": "18"}.items():
        monkeypatch.setenv(f"HONGYAN_{name}", value)
    monkeypatch.delenv("HONGYAN_CONFIG", raising=False)
    assert is_port_free("127.0.0.1", 17)
    return tmp_path


@pytest.mark.parametrize(("door", "port"), [("ws", 8080), ("poll", 8080), ("tcp", 8081)])
def test_by_default_through_nginx(door: str, port: int) -> None:
    place = find_place(door, None, None)
    assert (place.settings.mode, place.port) == ("cluster", port)


@pytest.mark.parametrize(("door", "port"), [("ws", 9001), ("tcp", 9101)])
def test_by_default_to_a_gateway_where_nginx_speaks_tls(door: str, port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HONGYAN_NGINX__CERTIFICATE", "var/tls/certificate.pem")
    assert find_place(door, None, None).port == port
    with pytest.raises(BadSettings, match="speaks TLS at port 8080"):
        find_place(door, 8080, None)


@pytest.mark.parametrize(("door", "port"), [("ws", 17), ("tcp", 18)])
def test_standalone_by_either_of_its_ports(door: str, port: int) -> None:
    assert find_place(door, port, None).settings.mode == "standalone"
    assert find_place(door, 8081, None).settings.mode == "cluster"


@pytest.fixture
def lone(var: Path) -> Path:
    """A configuration of standalone."""
    lone = var / "lone.toml"
    lone.write_text(
        'mode = "standalone"\n[bus]\nkind = "memory"\n[router]\nkind = "memory"\n[store]\nkind = "sqlite"\n'
    )
    return lone


def test_the_configuration_that_is_named_counts(lone: Path) -> None:
    assert find_place("ws", None, lone).port == 17
    assert find_place("tcp", None, lone).port == 18


def test_a_standalone_that_runs_is_where_it_was_started(var: Path, lone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run_environment.remember(var, "standalone", {"HONGYAN_GATEWAY__PORT": "19"})
    monkeypatch.delenv("HONGYAN_GATEWAY__PORT")
    assert find_place("ws", None, lone).port == GatewaySettings().port
    standalone_process(load(lone)).record(os.getpid())
    assert find_place("ws", None, lone).port == 19


def test_what_up_was_given_is_known_afterwards(
    var: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    given = {"HONGYAN_NGINX__PORT": "18080", "HONGYAN_GATEWAY__PORT": "17", "HONGYAN_GATEWAY__TCP_PORT": "18"}
    run_environment.remember(var, "cluster", {**given, "HONGYAN_CONFIG": "other.toml", "PATH": "/bin"})
    assert find_place("ws", None, None).port == 18080
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("HONGYAN_NGINX__PORT", "18090")
    assert find_place("ws", None, None).port == 18090
    assert "HONGYAN_NGINX__PORT is not what the cluster was started with" in capsys.readouterr().err
    run_environment.forget(var, "cluster")
    monkeypatch.delenv("HONGYAN_NGINX__PORT")
    assert find_place("ws", None, None).port == 8080


def test_only_the_owner_may_read_what_up_was_given(var: Path) -> None:
    run_environment.remember(var, "cluster", {"HONGYAN_BUS__PASSWORD": "x" * 32})
    (record,) = (var / "run").iterdir()
    assert record.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["[1]", "null", '"HONGYAN_NGINX__PORT"', '{"HONGYAN_NGINX__PORT": 18080}', "{"])
def test_a_record_that_is_none_of_ours_is_none(var: Path, text: str) -> None:
    run_environment.remember(var, "cluster", {})
    (record,) = (var / "run").iterdir()
    record.write_text(text)
    assert find_place("ws", None, None).port == 8080
