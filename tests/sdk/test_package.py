"""The client library as its users have it: what its README shows runs, with nothing of the server in sight."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import hongyan
import pytest
from hongyan import Api, Refused, wire

from protocol.errors import RECONNECT, Close
from protocol.frames import MAX_SERVER_FRAME_BYTES
from tests.deployments import StandaloneDeployment
from tests.private_servers import ROOT, free_ports

SDK = ROOT / "sdk" / "python"
OF_THE_SERVER = ("protocol", "bus", "router", "store", "gateway", "logic", "conf", "ops")


@pytest.fixture(scope="module")
def standalone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[StandaloneDeployment]:
    with StandaloneDeployment(tmp_path_factory.mktemp("standalone")).running() as made:
        yield made


def python(code: str, where: Path) -> str:
    """What a program prints that finds the library and not the repository."""
    lone = f"import sys; sys.path.insert(0, {str(SDK)!r})\n{code}"
    command = [sys.executable, "-I", "-c", lone]
    done = subprocess.run(command, cwd=where, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    return done.stdout


def test_the_example_of_the_readme_runs(standalone: StandaloneDeployment, tmp_path: Path) -> None:
    (example,) = re.findall(r"```python\n(.*?)```", (SDK / "README.md").read_text(), re.DOTALL)
    shown = 'HOST, PORT = "127.0.0.1", 8000'
    assert shown in example
    code = example.replace(shown, f'HOST, PORT = "127.0.0.1", {standalone.ports[0]}')
    assert python(code, tmp_path) == "number 1 from alice: hello\n"


def test_it_loads_nothing_of_the_server(tmp_path: Path) -> None:
    loaded = python("import hongyan; print(*sys.modules)", tmp_path).split()
    assert "hongyan.device" in loaded
    assert not {name.partition(".")[0] for name in loaded} & set(OF_THE_SERVER)


def test_all_that_it_offers_is_there_and_in_order() -> None:
    assert all(getattr(hongyan, name).__doc__ for name in hongyan.__all__ if isinstance(getattr(hongyan, name), type))
    assert hongyan.private_conversation("bob", "alice") == hongyan.private_conversation("alice", "bob") == "p:alice:bob"
    assert hongyan.group_conversation("team") == "g:team"


def test_it_knows_the_wire_as_the_server_does() -> None:
    """But for 1002: a client says that itself of what is no WebSocket, and may find one at the next try."""
    assert wire.MAX_SERVER_FRAME_BYTES == MAX_SERVER_FRAME_BYTES
    assert set(wire.STOP) == set(Close) - RECONNECT - {Close.PROTOCOL_ERROR}
    assert (wire.BUSY, wire.LOGIN_REFUSED) == (Close.BUSY, Close.LOGIN_REFUSED)


async def test_a_single_request_is_answered_or_refused(standalone: StandaloneDeployment) -> None:
    user = standalone.new_user()
    port = standalone.ports[0]
    async with Api("127.0.0.1", port, user.token) as api:
        assert [found["id"] for found in (await api.call("user.get", {"ids": [user.id]}))["users"]] == [user.id]
        with pytest.raises(Refused) as refused:
            await api.call("user.get", {})
        assert (refused.value.code, refused.value.retry) == ("bad_field", False)
    async with Api("127.0.0.1", port) as nobody:
        with pytest.raises(Refused, match="unauthenticated"):
            await nobody.call("user.get", {"ids": [user.id]})


async def test_where_no_gateway_answers_it_says_so(standalone: StandaloneDeployment) -> None:
    async with Api("127.0.0.1", free_ports()["gateway"]) as api:
        with pytest.raises(OSError, match="connection"):
            await api.call("user.get", {"ids": ["alice"]})
    async with Api("127.0.0.1", standalone.tcp_ports[0]) as api:
        with pytest.raises(OSError):
            await api.call("user.get", {"ids": ["alice"]})
