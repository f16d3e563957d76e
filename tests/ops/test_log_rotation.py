"""Logs are kept small while they are written, by whoever has them open."""

from __future__ import annotations

import subprocess
import sys
import threading
import time
from pathlib import Path

import msgspec
import pytest

from conf.sections import LogSettings
from conf.settings import Settings
from ops import log_rotation
from ops.log_rotation import keep_rotating, rotate, rotate_too_large

MAX_BYTES = 20_000
KEPT = 3
WRITER = """\
import sys, time
for number in range(4000):
    sys.stdout.write(f"line {number:06}\\n")
    sys.stdout.flush()
    time.sleep(0.0005)
"""


def settings_of(var: Path) -> Settings:
    logs = LogSettings(max_bytes=MAX_BYTES, kept=KEPT)
    return msgspec.structs.replace(Settings(), var=var, logs=logs)


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "log" / "w1.log"
    path.parent.mkdir()
    return path


def test_a_log_that_a_process_writes_is_rotated_and_only_so_many_are_kept(
    log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_rotation, "EVERY_S", 0.02)
    stopping = threading.Event()
    rotating = threading.Thread(target=keep_rotating, args=(settings_of(log.parent.parent), stopping))
    rotating.start()
    with log.open("ab") as file:
        writer = subprocess.Popen([sys.executable, "-c", WRITER], stdout=file)
    largest = 0
    while writer.poll() is None:
        largest = max(largest, sum(path.stat().st_size for path in log.parent.iterdir()))
        time.sleep(0.01)
    stopping.set()
    rotating.join()
    files = sorted(path.name for path in log.parent.iterdir())
    assert files == ["w1.log", "w1.log.1", "w1.log.2"]  # 48,000 bytes
    assert largest < (KEPT + 1) * 3 * MAX_BYTES
    text = "".join((log.parent / name).read_text() for name in reversed(files))
    numbers = [int(line.removeprefix("line ")) for line in text.splitlines()]
    assert numbers == sorted(set(numbers))
    assert len(numbers) > 3900  # at each rotation what is written at that moment may be lost


def test_the_newest_copies_stay(log: Path) -> None:
    for number in range(6):
        log.write_text(f"{number}")
        rotate(log, KEPT)
    copies = {path.name: path.read_text() for path in log.parent.iterdir()}
    assert copies == {"w1.log": "", "w1.log.1": "5", "w1.log.2": "4", "w1.log.3": "3"}
    log.write_text("6")
    rotate(log, 1)
    assert {path.name for path in log.parent.iterdir()} == {"w1.log", "w1.log.1"}
    rotate(log, 0)
    assert {path.name for path in log.parent.iterdir()} == {"w1.log"}
    assert log.stat().st_size == 0


def test_copies_are_for_their_owner_only(log: Path) -> None:
    log.write_text("a line")
    rotate(log, KEPT)
    assert (log.parent / "w1.log.1").stat().st_mode & 0o777 == 0o600


def test_the_door_s_logs_are_rotated_too_and_nothing_else_is(log: Path) -> None:
    var = log.parent.parent
    (var / "nginx").mkdir()
    for path in (log, var / "nginx" / "access.log", var / "nginx" / "nginx.conf", var / "log" / "small.log"):
        path.write_text("x" * (10 if path.name == "small.log" else MAX_BYTES + 1))
    assert rotate_too_large(settings_of(var)) == [log, var / "nginx" / "access.log"]
    assert (var / "nginx" / "nginx.conf").stat().st_size == MAX_BYTES + 1


def test_one_log_that_cannot_be_rotated_keeps_no_other_from_it(log: Path) -> None:
    for name in ("a.log", "w1.log"):
        (log.parent / name).write_text("x" * (MAX_BYTES + 1))
    (log.parent / "a.log.3").mkdir()
    assert rotate_too_large(settings_of(log.parent.parent)) == [log]
