"""Writes a process's log to a file descriptor: never raises, never blocks, and counts what it could not write.

Laws: a thread of its own writes, so a pipe whose reader stands still holds up nobody else; if it dies of anything it is
started again, and what it was about to write is lost. At most 1 MiB waits for it; what comes then is dropped, as is
what the system refuses (a closed pipe or terminal, a full disk). Once a line can be written again, `when_back` is told
how many were dropped, and why.
"""

from __future__ import annotations

import io
import os
import select
import threading
import time
from collections import deque
from collections.abc import Callable

from prometheus_client import Counter

from process.supervision import keep_thread_running

MAX_WAITING = 1024 * 1024  # characters
MAX_LINE = 64 * 1024
STANDS_STILL = "its reader stands still"
COLLECT_S = 0.02  # what comes meanwhile is written with the first: waking a thread costs more than a line
LOOK_S = 0.5  # at a descriptor that takes nothing now and does not block either

DROPPED = Counter("hongyan_log_lines_dropped", "Log lines that could not be written")


class LogWriter:
    """Any thread may write to it, also within a signal handler."""

    def __init__(self, descriptor: int, when_back: Callable[[int, str], None]) -> None:
        self._descriptor = descriptor
        self._when_back = when_back
        self._changed = threading.Condition(threading.RLock())
        self._waiting: deque[str] = deque()
        self._size = 0
        self._is_writing = False
        self._dropped = 0
        self._why = ""
        self._is_torn = False
        keep_thread_running("log-writer", self._work, threading.Event())

    def __repr__(self) -> str:
        return f"LogWriter({self._descriptor}, {len(self._waiting)} waiting, {self._dropped} dropped)"

    def write(self, line: str) -> None:
        """Write `line`, without its line break, as soon as it can be."""
        line = line if len(line) <= MAX_LINE else line[:MAX_LINE] + "..."
        with self._changed:
            if self._size + len(line) > MAX_WAITING:
                self._drop(STANDS_STILL, 1)
                return
            self._waiting.append(line)
            self._size += len(line)
            if len(self._waiting) == 1:
                self._changed.notify_all()

    def flush(self, within_s: float) -> None:
        """Return when nothing waits any more, or after so long."""
        with self._changed:
            self._changed.wait_for(lambda: not (self._waiting or self._is_writing), within_s)

    def _drop(self, why: str, lines: int) -> None:
        self._dropped += lines
        self._why = why
        DROPPED.inc(lines)

    def _work(self) -> None:
        while True:
            with self._changed:
                self._is_writing = False
                self._changed.notify_all()
                self._changed.wait_for(lambda: self._waiting)
                self._is_writing = True
            time.sleep(COLLECT_S)
            with self._changed:
                lines = self._take()
            self._put_out(lines)

    def _take(self) -> list[str]:
        """What waits, up to 64 KiB and at least a line. One write for all, since each waits for the GIL."""
        lines: list[str] = []
        size = 0
        while self._waiting and (not lines or size + len(self._waiting[0]) <= MAX_LINE):
            lines.append(self._waiting.popleft())
            size += len(lines[-1])
        self._size -= size
        return lines

    def _put_out(self, lines: list[str]) -> None:
        left = "".join([*("\n" * self._is_torn), *(f"{line}\n" for line in lines)]).encode("utf-8", "backslashreplace")
        while left:
            try:
                written = os.write(self._descriptor, left)
            except BlockingIOError:  # somebody who shares it has made it so
                self._await_room()
            except OSError as error:
                with self._changed:
                    self._drop(error.strerror or type(error).__name__, min(left.count(b"\n"), len(lines)))
                return
            else:
                self._is_torn = written < len(left) and not left[:written].endswith(b"\n")
                left = left[written:]
        with self._changed:
            dropped, self._dropped = self._dropped, 0
        if dropped:
            self._when_back(dropped, self._why)

    def _await_room(self) -> None:
        look = select.poll()
        look.register(self._descriptor, select.POLLOUT)
        look.poll(LOOK_S * 1000)


class LogStream(io.TextIOBase):
    """A LogWriter in place of `sys.stderr`: for what others print there, line by line."""

    encoding = "utf-8"
    errors = "backslashreplace"

    def __init__(self, writer: LogWriter, descriptor: int) -> None:
        self._writer = writer
        self._descriptor = descriptor
        self._rest = ""

    def write(self, text: str) -> int:
        *lines, self._rest = (self._rest + text).split("\n")
        for line in lines:
            self._writer.write(line)
        return len(text)

    def finish(self, within_s: float) -> None:
        """The process ends: write what has no line break yet, and return when nothing waits, or after so long."""
        if self._rest:
            self.write("\n")
        self._writer.flush(within_s)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._descriptor

    def isatty(self) -> bool:
        return os.isatty(self._descriptor)
