"""A process that cannot listen says so in one sentence and ends with 1; on IPv6 it can."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hongyan.doors import DOORS, address

from conf.secrets import generate
from protocol.addresses import socket_place
from tests.client import Socket
from tests.deployments import StandaloneDeployment
from tests.private_servers import ROOT, PrivateServers, free_ports

WITHIN_S = 30
ADDRESSES = ("127.0.0.1", "::1")


@contextlib.contextmanager
def taken(host: str) -> Iterator[int]:
    """A port at which somebody listens."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as listener:
        yield listener.getsockname()[1]


def run(*words: object, **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **settings}
    argv = [sys.executable, *map(str, words)]
    return subprocess.run(
        argv, cwd=ROOT, env=environment, check=False, capture_output=True, text=True, timeout=WITHIN_S
    )


def sentences(said: str) -> list[str]:
    """What was said besides the lines of the log."""
    lines = said.splitlines()
    for line in lines:
        with contextlib.suppress(ValueError):
            assert json.loads(line)["level"] not in ("error", "critical")
    return [line for line in lines if not line.startswith("{")]


@pytest.mark.parametrize("host", ADDRESSES)
@pytest.mark.parametrize("option", ["--port", "--tcp-port", "--operations-port"])
def test_standalone_on_a_taken_port_says_one_sentence_and_ends(host: str, option: str, tmp_path: Path) -> None:
    system = StandaloneDeployment(tmp_path)
    if option == "--operations-port":
        host = "127.0.0.1"  # there it always is
    with taken(host) as port:
        words = [*system.processes[0]._command()[1:], option, port]
        done = run(*words, HONGYAN_GATEWAY__HOST=host)
    assert done.returncode == 1
    place = socket_place(host, port)
    assert sentences(done.stderr) == [f"standalone: cannot listen on {place}: Address already in use"]


def test_a_gateway_on_a_taken_port_says_one_sentence_and_ends(tmp_path: Path) -> None:
    generate(tmp_path)
    with taken("127.0.0.1") as port:
        done = run("-m", "gateway", "--port", port, HONGYAN_VAR=str(tmp_path))
    assert done.returncode == 1
    assert sentences(done.stderr) == [f"gateway: cannot listen on 127.0.0.1:{port}: Address already in use"]


def test_a_worker_on_a_taken_port_says_one_sentence_and_ends(servers: PrivateServers) -> None:
    store = servers.fresh_database()
    with taken("127.0.0.1") as port:
        words = ["-m", "logic", "ordered", "--config", servers.config, "--metrics-port", port]
        done = run(*words, HONGYAN_STORE__DATABASE=store.database)
    assert done.returncode == 1
    assert sentences(done.stderr) == [
        f"logic: cannot listen on 127.0.0.1:{port} (--metrics-port): Address already in use"
    ]


async def test_standalone_on_ipv6_serves_by_every_door(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HONGYAN_VAR", str(tmp_path))
    monkeypatch.setenv("HONGYAN_GATEWAY__HOST", "::1")
    free = free_ports()
    monkeypatch.setenv("HONGYAN_GATEWAY__PORT", str(free["gateway"]))
    monkeypatch.setenv("HONGYAN_GATEWAY__TCP_PORT", str(free["tcp"]))
    monkeypatch.setenv("HONGYAN_STANDALONE__OPERATIONS_PORT", str(free["operations"]))
    words = str(ROOT / "scripts" / "standalone.sh")
    started = subprocess.run([words, "start"], check=False, capture_output=True, text=True, timeout=100)
    try:
        assert f"http://[::1]:{free['gateway']}" in started.stdout, started.stderr
        system = StandaloneDeployment(tmp_path)
        user = system.new_user()
        for door in DOORS:
            url = address(door, "::1", free["tcp" if door == "tcp" else "gateway"])
            async with await Socket.logged_in(url, user.token) as at:
                assert (await at.ask("user.get", {"ids": [user.id]}))["op"] == "reply"
        system.database.close()
        words_of_chat = [str(ROOT / "scripts" / "chat.sh"), "ann", "--to", "ann"]
        chat = subprocess.run(words_of_chat, input="hello\n", capture_output=True, text=True, check=False, timeout=60)
        assert (chat.returncode, "connected as ann" in chat.stdout) == (0, True), chat.stdout + chat.stderr
    finally:
        subprocess.run([words, "stop"], check=True, capture_output=True, timeout=60)
