"""Signals that ask for a stop: the first for an orderly one, a second for one at once, the terminal's never that."""

from __future__ import annotations

import signal
import subprocess
import sys

import pytest

from tests.private_servers import ROOT

LOOP = """
import asyncio, sys
from process.signals import stop_loop_on_signals

async def main():
    stopping = stop_loop_on_signals()
    print("serving", flush=True)
    await stopping.wait()
    print("stopping", flush=True)
    await asyncio.to_thread(sys.stdin.readline)

asyncio.run(main())
print("stopped", flush=True)
"""
THREAD = """
import sys
from process.signals import stop_thread_on_signals

stopping = stop_thread_on_signals()
print("serving", flush=True)
stopping.wait()
print("stopping", flush=True)
sys.stdin.readline()
print("stopped", flush=True)
"""


@pytest.mark.parametrize("program", [LOOP, THREAD], ids=["loop", "thread"])
@pytest.mark.parametrize(
    ("first", "second", "is_orderly"),
    [
        (signal.SIGHUP, signal.SIGHUP, True),
        (signal.SIGTERM, signal.SIGHUP, True),
        (signal.SIGHUP, signal.SIGTERM, False),
        (signal.SIGINT, signal.SIGINT, False),
    ],
)
def test_a_second_signal_ends_it_at_once_but_for_that_of_a_closed_terminal(
    program: str, first: signal.Signals, second: signal.Signals, is_orderly: bool
) -> None:
    """A terminal that closes sends SIGHUP twice: its shell does, and then the kernel."""
    words = [sys.executable, "-c", program]
    with subprocess.Popen(words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None and process.stdout is not None
        assert process.stdout.readline() == "serving\n"
        process.send_signal(first)
        assert process.stdout.readline() == "stopping\n"
        process.send_signal(second)
        if not is_orderly:
            assert process.wait(10) == 1
            return
        process.stdin.write("\n")
        process.stdin.flush()
        assert process.stdout.read() == "stopped\n"
        assert process.wait(10) == 0
