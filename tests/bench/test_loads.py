"""The generator as a process against real bare Tornado: what it counts is what went over the wire."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator

import psutil
import pytest

from bench import usage
from bench.echo_process import echo_server
from bench.load_process import LoadFailed, LoadProcess
from bench.loads.crowd import CrowdJob
from bench.loads.echo import EchoJob
from bench.loads.group import GroupJob
from bench.loads.latency import percentiles_ms


@pytest.fixture
def port() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free = int(listener.getsockname()[1])
    with echo_server(free):
        yield free


def test_echoes_are_counted_in_the_window(port: int) -> None:
    with LoadProcess(EchoJob(f"ws://127.0.0.1:{port}/echo", 5, 4, 150, 0.2, 0.5)) as load:
        begun = usage.look({"generator": load.pid})  # not after the mark: on a busy machine the window may be over then
        load.await_mark("begin")
        load.await_mark("end")
        cores = usage.shares(begun, usage.look({"generator": load.pid}))
        result = load.result()
    assert result["rate"] > 100
    assert 0 < result["generator_cores"] < 1.5
    assert cores["generator"] > 0


def test_a_room_brings_every_message_to_everyone_once(port: int) -> None:
    job = GroupJob(f"ws://127.0.0.1:{port}/room", "", ["no token"] * 21, "", 2, 0.2, 0.5)
    with LoadProcess(job) as load:
        load.await_mark("begin")
        load.await_mark("end")
        result = load.result()
    assert result["violations"] == {}
    assert result["rate"] == pytest.approx(20 * result["messages_per_s"], rel=0.2)


def test_a_door_that_is_shut_fails_the_load_in_words() -> None:
    with LoadProcess(CrowdJob("ws://127.0.0.1:1/ws", ["token"], 1)) as load:
        load.await_mark("begin")
        with pytest.raises(LoadFailed, match=r"refused|Connect"):
            load.await_mark("end")


def test_percentiles_are_of_what_was_measured() -> None:
    found = percentiles_ms([n / 1000 for n in range(1, 1001)])
    assert (found["p50"], found["p99"], found["max"]) == (501.0, 990.0, 1000.0)
    assert percentiles_ms([])["max"] == 0


def test_what_a_process_started_counts_for_it_also_after_its_end() -> None:
    """Then in hundredths of a second, rounded down."""
    burn = "import time\nwhile time.process_time() < 0.3: pass"
    words = [sys.executable, "-c", f"import subprocess, sys\nsubprocess.run([sys.executable, '-c', {burn!r}])\ninput()"]
    with subprocess.Popen(words, stdin=subprocess.PIPE) as process:
        begun = usage.look({"parent": process.pid})
        for _ in range(200):
            spent = usage.spent(begun, usage.look({"parent": process.pid}))["parent"]
            if spent >= 0.28 and not psutil.Process(process.pid).children():
                break
            time.sleep(0.05)
        process.communicate(b"\n")
    assert spent >= 0.28
    assert usage.look({"parent": process.pid}).processes == {"parent": 0.0}


def test_connections_at_a_port_are_counted() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert usage.connections(os.getpid(), port) == 0
        with socket.create_connection(("127.0.0.1", port)), listener.accept()[0]:
            assert usage.connections(os.getpid(), port) == 1
