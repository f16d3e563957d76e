"""scripts/standalone.sh as a newcomer uses it: in the foreground and in the background."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.http_calls import Answer, request
from tests.private_servers import ROOT, free_ports

PORTS = ("HONGYAN_GATEWAY__PORT", "HONGYAN_GATEWAY__TCP_PORT", "HONGYAN_STANDALONE__OPERATIONS_PORT")


class Newcomer:
    """Runs scripts/standalone.sh with a var and a port of its own."""

    def __init__(self, var: Path) -> None:
        free = free_ports()
        self.address = f"http://127.0.0.1:{free['gateway']}"
        self.words = [str(ROOT / "scripts" / "standalone.sh")]
        self.environment = {
            **os.environ,
            "HONGYAN_VAR": str(var),
            "HONGYAN_GATEWAY__PORT": str(free["gateway"]),
            "HONGYAN_GATEWAY__TCP_PORT": str(free["tcp"]),
            "HONGYAN_STANDALONE__OPERATIONS_PORT": str(free["operations"]),
        }

    def run(self, *words: str, **settings: str) -> subprocess.CompletedProcess[str]:
        words = (*self.words, *words)
        environment = {**self.environment, **settings}
        return subprocess.run(words, check=False, env=environment, capture_output=True, text=True, timeout=100)

    def answers(self) -> bool:
        try:
            return bool(urllib.request.urlopen(f"{self.address}/healthz", timeout=5).status == 200)
        except OSError:
            return False


def asked(port: int, path: str) -> Answer:
    return request(port, "GET", path)


@pytest.fixture
def newcomer(tmp_path: Path) -> Iterator[Newcomer]:
    made = Newcomer(tmp_path)
    yield made
    made.run("stop")


def test_start_status_stop(newcomer: Newcomer) -> None:
    started = newcomer.run("start")
    assert started.returncode == 0, started.stdout + started.stderr
    assert newcomer.address in started.stdout
    assert newcomer.answers()
    assert newcomer.run("status").returncode == 0
    # What was given to `start` alone is known to the others.
    for name in PORTS:
        del newcomer.environment[name]
    assert newcomer.address in newcomer.run("status").stdout
    again = newcomer.run("start").stdout
    assert "runs already" in again
    assert newcomer.address in newcomer.run("status", HONGYAN_GATEWAY__PORT="17").stdout
    assert Path(again.partition("log: ")[2].partition("\n")[0]).exists()
    other = newcomer.run("start", HONGYAN_GATEWAY__PORT="17")
    assert (other.returncode, "HONGYAN_GATEWAY__PORT is not what" in other.stderr) == (1, True)
    assert newcomer.run("stop").stdout.strip() == "stopped"
    assert newcomer.run("status").stdout.startswith("standalone down")
    assert not newcomer.answers()


def test_readiness_and_figures_have_a_port_of_their_own_on_loopback(newcomer: Newcomer) -> None:
    assert newcomer.run("start").returncode == 0
    port = int(newcomer.environment["HONGYAN_STANDALONE__OPERATIONS_PORT"])
    for path in ("/readyz", "/metrics"):
        assert asked(int(newcomer.environment["HONGYAN_GATEWAY__PORT"]), path).code == "not_found"
        assert asked(port, path).status == 200
    assert b"hongyan_connections" in asked(port, "/metrics").body
    assert asked(port, "/api/user.get").code == "not_found"
    listening = {
        connection.laddr.ip
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port
    }
    assert listening == {"127.0.0.1"}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.slow
def test_in_the_foreground_it_says_where_it_is_and_stops_at_a_signal(
    newcomer: Newcomer, number: signal.Signals
) -> None:
    with subprocess.Popen(
        newcomer.words, env=newcomer.environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    ) as process:
        assert process.stdout is not None
        assert any(newcomer.address in line for line in process.stdout)
        assert newcomer.answers()
        assert "runs already" in newcomer.run().stdout
        assert "its log is in the terminal" in newcomer.run("start").stdout
        run = Path(newcomer.environment["HONGYAN_VAR"]) / "run"
        assert {path.name for path in run.iterdir()} == {"standalone.pid", "standalone.environment.json"}
        process.send_signal(number)
        assert process.wait(30) == 0
    assert list(run.iterdir()) == []
    assert not newcomer.answers()
    stopped = newcomer.run("status")
    assert (stopped.returncode, stopped.stdout) == (
        1,
        "standalone down: not started, or stopped; scripts/standalone.sh starts it\n",
    )


@pytest.mark.slow
def test_a_crash_is_told_apart_from_a_stop(newcomer: Newcomer) -> None:
    newcomer.run("start")
    pid = int(newcomer.run("status").stdout.partition("(pid ")[2].partition(")")[0])
    os.kill(pid, signal.SIGKILL)
    while newcomer.answers():
        time.sleep(0.02)
    assert newcomer.run("status").stdout.startswith("standalone dead")


def test_where_it_cannot_live_or_listen_is_said_in_a_sentence(newcomer: Newcomer) -> None:
    done = newcomer.run("status", HONGYAN_VAR="/proc/x")
    assert (done.returncode, "cannot be written" in done.stderr, "Traceback" in done.stderr) == (1, True, False)
    done = newcomer.run("run", HONGYAN_GATEWAY__HOST="no.such.host.invalid")
    assert done.returncode == 1
    assert "'no.such.host.invalid' is no address of this machine" in done.stderr


def test_all_ports_that_are_taken_are_named(newcomer: Newcomer) -> None:
    with contextlib.ExitStack() as stack:
        for name in PORTS:
            stack.enter_context(socket.create_server(("127.0.0.1", int(newcomer.environment[name]))))
        done = newcomer.run("start")
    assert done.returncode == 1
    for name in PORTS:
        assert f"127.0.0.1:{newcomer.environment[name]} ({name}): another program holds it" in done.stderr


def test_help_and_wrong_usage(newcomer: Newcomer) -> None:
    assert newcomer.run("--help").returncode == 0
    assert newcomer.run("sideways").returncode == 2


@pytest.mark.parametrize(
    ("number", "after_s"),
    [
        (signal.SIGINT, 0.0),
        (signal.SIGINT, 0.1),
        (signal.SIGINT, 0.2),
        (signal.SIGINT, 0.4),
        (signal.SIGTERM, 0.1),
        (signal.SIGHUP, 0.1),
    ],
)
@pytest.mark.slow
def test_ctrl_c_at_once_stops_it_in_order(newcomer: Newcomer, number: signal.Signals, after_s: float) -> None:
    """From the moment on at which it says that Ctrl-C stops it, as a terminal sends it: to all of its group."""
    with subprocess.Popen(
        newcomer.words,
        env=newcomer.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        assert process.stdout is not None
        assert any("Ctrl-C stops it" in line for line in process.stdout)
        time.sleep(after_s)
        os.killpg(process.pid, number)
        said, log = process.communicate(timeout=30)
    assert (process.returncode, "Traceback" in said + log) == (0, False), log
    assert newcomer.run("status").stdout.startswith("standalone down")


@pytest.mark.slow
def test_by_nohup_it_goes_on_without_its_terminal(newcomer: Newcomer) -> None:
    with subprocess.Popen(
        ["nohup", *newcomer.words],
        env=newcomer.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert any(newcomer.address in line for line in process.stdout)
        process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert newcomer.answers()
        process.terminate()
        assert process.wait(30) == 0


def test_an_interrupted_start_is_no_traceback(newcomer: Newcomer) -> None:
    newcomer.run("stop")  # what must be installed is
    with subprocess.Popen(
        [*newcomer.words, "start"], env=newcomer.environment, stderr=subprocess.PIPE, text=True, stdout=subprocess.PIPE
    ) as process:
        log = Path(newcomer.environment["HONGYAN_VAR"]) / "run" / "standalone.pid"
        while not log.exists():
            time.sleep(0.01)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=30)
    assert "Traceback" not in said
    assert process.returncode == 0 or "interrupted; scripts/standalone.sh stop" in said
