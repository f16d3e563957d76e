"""Tracked processes: found again by another, never mistaken for another, stopped for certain."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from ops.processes import Process, ProcessFailed
from tests.small_disk import small_disk

SLEEPS = "import pathlib, time; pathlib.Path('ready').touch(); time.sleep(600)"
IGNORES = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); " + SLEEPS
FORKS = "import os, pathlib; child = os.fork() or os.execlp('sleep', 'sleep', '600'); "
FORKS += "pathlib.Path('child').write_text(str(child)); " + SLEEPS


class Workshop:
    """Makes processes that run Python code in one directory."""

    def __init__(self, var: Path) -> None:
        self.var = var
        self.made: list[Process] = []

    def process(self, code: str, *, name: str = "p", stop_s: float = 10.0) -> Process:
        ready = self.var / "ready"
        process = Process(
            name, lambda: [sys.executable, "-c", code], self.var, ready.exists, cwd=self.var, stop_s=stop_s, port=1
        )
        self.made.append(process)
        return process


@pytest.fixture
def workshop(tmp_path: Path) -> Iterator[Workshop]:
    made = Workshop(tmp_path)
    yield made
    for process in made.made:
        process.kill()


def lives(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() not in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD)
    except psutil.NoSuchProcess:
        return False


def test_a_known_reason_for_dying_is_told_in_place_of_the_log(tmp_path: Path) -> None:
    words = [sys.executable, "-c", "print('too_old: [{a,dump}]'); raise SystemExit(1)"]
    for reasons, told in (({"too_old": "Remove its data."}, r"\ARemove its data\.\Z"), ({}, r"died .*\n +too_old")):
        process = Process("p", lambda: words, tmp_path, lambda: False, reasons=reasons)
        process.start()
        with pytest.raises(ProcessFailed, match=told):
            process.await_ready()


def test_what_a_crash_left_is_ended_by_the_next_stop(workshop: Workshop) -> None:
    process = workshop.process(FORKS)
    process.start()
    process.await_ready()
    child, leader = int((workshop.var / "child").read_text()), process.pid
    assert leader is not None
    os.kill(leader, signal.SIGKILL)
    while process.pid is not None:
        time.sleep(0.01)
    assert (lives(child), process.state) == (True, "dead")
    assert process.stop() is False
    assert (lives(child), process.state) == (False, "down")


def test_its_states_from_down_to_down(workshop: Workshop) -> None:
    process = workshop.process(SLEEPS)
    assert (process.state, process.pid) == ("down", None)
    assert process.start()
    process.await_ready()
    assert process.state == "up"
    assert process.stop()
    assert (process.state, process.pid) == ("down", None)


def test_starting_twice_and_stopping_twice_change_nothing(workshop: Workshop) -> None:
    process = workshop.process(SLEEPS)
    process.start()
    pid = process.pid
    assert not process.start()
    assert process.pid == pid
    assert process.stop()
    assert not process.stop()


def test_another_finds_it_by_its_pid_file(workshop: Workshop) -> None:
    workshop.process(SLEEPS).start()
    another = workshop.process(SLEEPS)
    another.await_ready()
    assert another.state == "up"
    assert another.stop()
    assert workshop.made[0].state == "down"


def test_one_that_an_earlier_version_started_is_found(workshop: Workshop) -> None:
    """The words for its start are those of proc(5): clock ticks since the boot, and which boot."""
    process = workshop.process(SLEEPS)
    process.start()
    ticks = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[19]
    boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
    assert process.pid_file.read_text() == f"{process.pid} {ticks}@{boot}\n"


def test_a_reused_pid_is_never_signalled(workshop: Workshop) -> None:
    with subprocess.Popen(["sleep", "600"], start_new_session=True) as stranger:
        pid_file = workshop.var / "run" / "p.pid"
        pid_file.parent.mkdir()
        pid_file.write_text(f"{stranger.pid} 1\n")
        process = workshop.process(SLEEPS)
        assert process.state == "dead"
        process.kill()
        assert not process.stop()
        assert stranger.poll() is None
        stranger.kill()


def test_one_that_ignores_sigterm_is_ended_after_the_deadline(workshop: Workshop) -> None:
    process = workshop.process(IGNORES, stop_s=0.3)
    process.start()
    process.await_ready()
    assert process.stop()
    assert process.state == "down"


def test_kill_takes_its_children_along(workshop: Workshop) -> None:
    process = workshop.process(FORKS)
    process.start()
    process.await_ready()
    child = int((workshop.var / "child").read_text())
    assert lives(child)
    process.kill()
    assert process.state == "dead"
    until_gone(child)


def until_gone(pid: int) -> None:
    for _ in range(200):
        if not lives(pid):
            return
        signal.sigtimedwait([], 0.05)
    raise AssertionError(f"{pid} lives on")


def test_a_frozen_one_is_stopped_and_can_still_be_ended(workshop: Workshop) -> None:
    process = workshop.process(SLEEPS)
    process.start()
    process.await_ready()
    process.pause()
    assert process.state == "stopped"
    process.resume()
    process.await_ready()
    process.pause()
    assert process.stop()
    assert process.state == "down"


def test_one_that_dies_while_starting_shows_the_end_of_its_log(workshop: Workshop) -> None:
    process = workshop.process("print('there is no such letter'); raise SystemExit(3)")
    process.start()
    with pytest.raises(ProcessFailed, match=r"(?s)died while starting.*there is no such letter"):
        process.await_ready()
    assert process.state == "dead"
    assert process.start()


def test_one_that_never_serves_is_named_after_the_deadline(workshop: Workshop) -> None:
    process = workshop.process("import time; time.sleep(600)")
    process.start()
    with pytest.raises(ProcessFailed, match="did not serve within"):
        process.await_ready(0.2)
    assert process.state == "starting"


def test_one_that_cannot_be_recorded_on_a_full_disk_is_not_left_running(tmp_path: Path) -> None:
    with small_disk(tmp_path / "var", 1) as disk:
        process = Workshop(disk.path).process(SLEEPS)
        disk.fill()
        with pytest.raises(OSError, match="No space left on device"):
            process.start()
        assert process._child is not None and not lives(process._child.pid)
        disk.make_room()
        assert process.start()
        process.kill()
