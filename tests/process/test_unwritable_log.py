"""A system whose log cannot be written serves on: people log in and write, and the figures say what is missing."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ops.probes import answers_http, metric
from ops.run_environment import our_environment
from protocol.ids import private_conversation
from tests.client import Socket
from tests.deployments import READY_S, StandaloneDeployment
from tests.private_servers import ROOT

DROPPED = "hongyan_log_lines_dropped_total"
PAGE = 4096


class Standalone(StandaloneDeployment):
    """standalone.py whose standard error is what a test gives it."""

    def begin(self, stderr: int) -> None:
        words = self.processes[0]._command()
        self.process = subprocess.Popen(words, cwd=ROOT, env=our_environment(), stderr=stderr)
        os.close(stderr)

    async def serves(self) -> None:
        async with asyncio.timeout(READY_S):
            while not await asyncio.to_thread(answers_http, f"http://127.0.0.1:{self.operations_port}/readyz"):
                assert self.process.poll() is None
                await asyncio.sleep(0.05)

    async def somebody_writes(self) -> None:
        ann, bob = self.new_user("ann"), self.new_user("bob")
        async with await Socket.logged_in(self.url("ws"), ann.token) as socket:
            data = {"conversation": private_conversation(ann.id, bob.id), "type": "text", "body": {"text": "hello"}}
            assert (await socket.ask("message.send", {**data, "cid": "c1"}))["op"] == "reply"

    def end(self) -> int:
        self.process.terminate()
        return self.process.wait(30)


@pytest.fixture
def standalone(tmp_path: Path) -> Iterator[Standalone]:
    made = Standalone(tmp_path)
    yield made
    if made.process.poll() is None:
        made.process.kill()
        made.process.wait()
    made.database.close()


def closed_pipe() -> int:
    reader, writer = os.pipe()
    os.close(reader)
    return writer


def standing_pipe() -> int:
    """Full, and nobody reads."""
    _, writer = os.pipe()  # its reader stays open for as long as the test's process lives
    fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, PAGE)
    os.write(writer, b"x" * PAGE)
    return writer


def full_disk() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def closed_terminal() -> int:
    keyboard, screen = pty.openpty()
    os.close(keyboard)
    return screen


@pytest.mark.parametrize("log", [closed_pipe, standing_pipe, full_disk, closed_terminal], ids=lambda log: log.__name__)
async def test_everybody_is_served_though_the_log_cannot_be_written(
    standalone: Standalone, log: Callable[[], int]
) -> None:
    standalone.begin(log())
    await standalone.serves()
    for _ in range(2):
        await standalone.somebody_writes()
    await standalone.serves()
    if log is not standing_pipe:  # there little was said so far: it all waits
        assert metric(standalone.operations_port, DROPPED) >= 2
    assert standalone.end() == 0


async def test_the_reader_of_the_log_leaves_while_it_serves(standalone: Standalone) -> None:
    """`standalone.sh 2>&1 | head -1`"""
    reader, writer = os.pipe()
    standalone.begin(writer)
    assert b"schema_applied" in await asyncio.to_thread(os.read, reader, PAGE)
    os.close(reader)
    await standalone.serves()
    await standalone.somebody_writes()
    assert metric(standalone.operations_port, DROPPED) >= 1
    assert standalone.end() == 0
