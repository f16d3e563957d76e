"""When to stop: SIGTERM, SIGINT (Ctrl-C) and SIGHUP (the terminal was closed) ask for an orderly stop, and a second one
ends the process at once; but SIGHUP never does, since of a terminal that closes both the shell and the kernel send it.
One that was started with SIGHUP ignored, by nohup, goes on without its terminal.

Law: who says that a signal stops a process first holds them (`hold_stop_signals`). They are held across fork and exec,
until the process that they are meant for can heed them.
"""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from typing import Protocol

from process.logs import finish_logs

STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Flag(Protocol):
    """An Event of asyncio or threading."""

    def is_set(self) -> bool: ...

    def set(self) -> None: ...


def _asked(stopping: Flag, number: int) -> None:
    if stopping.is_set() and number != signal.SIGHUP:
        finish_logs()
        os._exit(1)
    stopping.set()


def _stop_signals() -> list[signal.Signals]:
    return [n for n in STOP_SIGNALS if n is not signal.SIGHUP or signal.getsignal(n) is not signal.SIG_IGN]


def hold_stop_signals() -> None:
    """Let those that come from now on wait."""
    signal.pthread_sigmask(signal.SIG_BLOCK, STOP_SIGNALS)


def die_of_stop_signals() -> None:
    """Each ends this process at once, without a word."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_DFL)
    _let_them_come()


def _let_them_come() -> None:
    signal.pthread_sigmask(signal.SIG_UNBLOCK, STOP_SIGNALS)


def stop_loop_on_signals() -> asyncio.Event:
    """What is set when it is time to stop: for a process that runs an event loop. Call it on the loop."""
    stopping = asyncio.Event()
    for number in _stop_signals():
        asyncio.get_running_loop().add_signal_handler(number, _asked, stopping, number)
    _let_them_come()
    return stopping


def stop_thread_on_signals() -> threading.Event:
    """The same for a process whose main thread works."""
    stopping = threading.Event()
    for number in _stop_signals():
        signal.signal(number, lambda came, _: _asked(stopping, came))
    _let_them_come()
    return stopping
