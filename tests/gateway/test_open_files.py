"""The limit of open files: raised at start, and compared with the connections that the configuration allows."""

from __future__ import annotations

import json
import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
import websockets
from structlog.testing import capture_logs

from gateway.open_files import OTHER_FILES, raise_limit, room_within
from tests.deployments import StandaloneDeployment
from tests.http_calls import api

RAISED = """
import resource
from gateway.open_files import raise_limit
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 512))
print(raise_limit(), *resource.getrlimit(resource.RLIMIT_NOFILE))
"""


def test_the_soft_limit_is_raised_to_the_hard_one() -> None:
    assert subprocess.run([sys.executable, "-c", RAISED], capture_output=True, text=True, check=True).stdout == (
        "512 512 512\n"
    )


@pytest.mark.parametrize("files", [resource.RLIM_INFINITY, 100_000 + OTHER_FILES])
def test_where_there_are_files_enough_nothing_is_said(files: int) -> None:
    with capture_logs() as said:
        assert room_within(files, 50_000) == (50_000, 50_000)
    assert said == []


@pytest.mark.parametrize("files", [0, 1, 64, 300, 1024, 20_000, 99_999])
def test_where_there_are_too_few_it_takes_fewer_and_says_so_in_a_sentence(files: int) -> None:
    with capture_logs() as said:
        room = room_within(files, 50_000)
    assert room.connections >= 1 and room.http_sockets >= 1
    assert sum(room) + OTHER_FILES <= max(files, OTHER_FILES + 2)
    (line,) = said
    assert line["log_level"] == "warning"
    assert f"may have {files} files open" in line["reason"]
    assert "gateway.max_connections = 50000" in line["reason"] and "ulimit -Hn" in line["reason"]


@pytest.fixture
def short_of_files(tmp_path: Path) -> Iterator[StandaloneDeployment]:
    """Standalone with 200 open files, which it may raise to 400."""
    deployment = StandaloneDeployment(tmp_path)
    (process,) = deployment.processes
    words = ["bash", "-c", 'ulimit -Sn 200; ulimit -Hn 400; exec "$@"', "bash", *process._command()]
    process._command = lambda: words
    with deployment.running():
        yield deployment


@pytest.mark.slow
async def test_very_many_idle_connections_take_no_descriptors_from_others(
    short_of_files: StandaloneDeployment,
) -> None:
    """1,100 of them by HTTP and as many by TCP, where 400 files may be open."""
    raise_limit()  # ours
    port, tcp_port = short_of_files.ports[0], short_of_files.tcp_ports[0]
    with ExitStack() as idle:
        for _ in range(1_100):
            idle.enter_context(socket.create_connection(("127.0.0.1", port)))
        account = {"username": "ann", "password": "correct horse"}
        token = (await api(port, "account.register", account)).data["token"]
        async with websockets.connect(f"ws://127.0.0.1:{port}/ws") as client:
            await client.send(json.dumps({"op": "login", "id": "1", "data": {"token": token, "terminal": "web"}}))
            assert json.loads(await client.recv())["op"] == "reply"
            for _ in range(1_100):
                idle.enter_context(socket.create_connection(("127.0.0.1", tcp_port)))
            assert (await api(port, "account.login", account)).status == 200
            await client.send('{"op":"heartbeat","id":"2"}')
            assert json.loads(await client.recv())["id"] == "2"
    said = short_of_files.logs()
    assert "this process may have 400 files open" in said
    assert "Too many open files" not in said
