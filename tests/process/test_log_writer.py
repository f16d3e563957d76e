"""A log that cannot be written holds nobody up, and is counted."""

from __future__ import annotations

import fcntl
import os
import pty
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from process import supervision
from process.log_writer import DROPPED, MAX_WAITING, LogStream, LogWriter
from tests.small_disk import small_disk

WAIT_S = 10.0


class Log:
    """A writer to a descriptor of its own, and what it was told when it could write again."""

    def __init__(self) -> None:
        self.reader, self.descriptor = os.pipe()
        self.told: list[tuple[int, str]] = []
        self.writer = LogWriter(self.descriptor, lambda lines, why: self.told.append((lines, why)))
        self._before = DROPPED._value.get()

    @property
    def dropped(self) -> float:
        return float(DROPPED._value.get() - self._before)

    def leads_to(self, descriptor: int) -> None:
        """What the log's descriptor is from now on."""
        os.dup2(descriptor, self.descriptor)
        os.close(descriptor)


@pytest.fixture
def log() -> Iterator[Log]:
    made = Log()
    yield made
    made.leads_to(os.open(os.devnull, os.O_RDWR))  # the thread goes on with it


def closed_pipe(log: Log) -> str:
    os.close(log.reader)
    return "Broken pipe"


def full_disk(log: Log) -> str:
    log.leads_to(os.open("/dev/full", os.O_WRONLY))
    return "No space left on device"


def closed_terminal(log: Log) -> str:
    keyboard, screen = pty.openpty()
    log.leads_to(screen)
    os.close(keyboard)
    return "Input/output error"


@pytest.mark.parametrize("broken", [closed_pipe, full_disk, closed_terminal])
def test_what_cannot_be_written_is_dropped_and_counted_and_told_when_it_can_again(
    log: Log, broken: type, tmp_path: Path
) -> None:
    why = broken(log)
    for number in range(3):
        log.writer.write(f"line {number}")
    log.writer.flush(WAIT_S)
    assert (log.dropped, log.told) == (3, [])
    log.leads_to(os.open(tmp_path / "log", os.O_WRONLY | os.O_CREAT))
    log.writer.write("it goes on")
    log.writer.flush(WAIT_S)
    assert (tmp_path / "log").read_text() == "it goes on\n"
    assert log.told == [(3, why)]


@pytest.mark.parametrize("flags", [0, os.O_NONBLOCK])
def test_a_reader_who_stands_still_holds_nobody_up(log: Log, flags: int) -> None:
    fcntl.fcntl(log.descriptor, fcntl.F_SETFL, flags)
    line = "x" * 999
    lines = 3 * MAX_WAITING // len(line)
    begun = time.monotonic()
    for _ in range(lines):
        log.writer.write(line)
    assert time.monotonic() - begun < WAIT_S
    assert 0 < log.dropped < lines
    written = 0
    while written < (lines - log.dropped) * (len(line) + 1):
        written += len(os.read(log.reader, 1 << 16))
    log.writer.flush(WAIT_S)
    assert sum(lines for lines, _ in log.told) == log.dropped
    assert {why for _, why in log.told} == {"its reader stands still"}


def test_what_is_printed_becomes_lines(log: Log) -> None:
    stream = LogStream(log.writer, log.descriptor)
    print("one\ntwo", 3, file=stream)
    print("an odd letter: \ud800", end="", file=stream)
    stream.finish(WAIT_S)
    assert os.read(log.reader, 1000) == b"one\ntwo 3\nan odd letter: \\ud800\n"


def test_a_line_that_was_torn_does_not_spoil_the_next(log: Log, tmp_path: Path) -> None:
    """A disk that becomes full in the middle of a line."""
    with small_disk(tmp_path / "disk", 1) as disk:
        path = disk.path / "log"
        log.leads_to(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND))
        for number in range(30):
            log.writer.write(f"{number}".ljust(50_000, "."))
        log.writer.flush(WAIT_S)
        assert log.dropped > 0
        disk.grow(4)
        log.writer.write("whole")
        log.writer.flush(WAIT_S)
        lines = path.read_text().splitlines()
        log.leads_to(os.open(os.devnull, os.O_WRONLY))
    assert lines[-1] == "whole"
    assert len(lines) - 1 in (30 - log.dropped, 31 - log.dropped), "the torn line is one that was dropped"


def test_a_writer_that_died_of_anything_writes_on(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervision, "RESTART_S", 0.01)
    monkeypatch.setattr(supervision, "_failed_at", {})
    write = os.write

    def fails_once(descriptor: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", write)
        raise MemoryError

    monkeypatch.setattr(os, "write", fails_once)
    log.writer.write("lost")
    log.writer.flush(WAIT_S)
    log.writer.write("written")
    assert os.read(log.reader, 100) == b"written\n"
    assert supervision.recent_failures() == ["log-writer"]
