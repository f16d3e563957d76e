"""One tracked process: start it, wait until it serves, stop it, and never touch another.

Laws:
- A process is known by its pid *and* its start time, both in `var/run/NAME.pid`: a reused pid is never signalled.
- It runs in a session of its own, so that the terminal's Ctrl-C and hang-up do not reach it.
- An orderly stop removes the pid file. One that stays behind without its process means that the process died.
- What a process that died left of its session is ended by the next stop: it could hold the port.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

POLL_S = 0.05
ORPHANS_END_S = 5.0
LOG_TAIL_LINES = 15
STDOUT = 1
TICKS_PER_S = os.sysconf("SC_CLK_TCK")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")  # of Linux

UP = "up"
STARTING = "starting"
STOPPED = "stopped"  # frozen by SIGSTOP
DEAD = "dead"  # died without being asked to
DOWN = "down"  # not started, or stopped in order


class ProcessFailed(Exception):
    """A process does not run or does not serve; the message says what was seen, with the end of its log."""


class Process:
    """A process by name.

    `command` gives the words to run; it is called at each start, so it may prepare files first. `ready` says whether
    the process serves yet; it raises ProcessFailed if it never will. `reasons` {what the end of its log says where it
    died while starting: the sentence to tell instead}.
    """

    def __init__(
        self,
        name: str,
        command: Callable[[], Sequence[str]],
        var: Path,
        ready: Callable[[], bool],
        *,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        port: int = 0,
        stop_s: float = 20.0,
        reasons: Mapping[str, str] | None = None,
    ) -> None:
        self.name, self.port, self._reasons = name, port, reasons or {}
        self.log = var / "log" / f"{name}.log"
        self.pid_file = var / "run" / f"{name}.pid"
        self._command, self._ready, self._env, self._cwd, self._stop_s = command, ready, env, cwd, stop_s
        self._child: subprocess.Popen[bytes] | None = None

    def __repr__(self) -> str:
        return f"Process({self.name}, pid={self.pid}, port={self.port}, {self.state})"

    @property
    def pid(self) -> int | None:
        """The pid, None unless it is alive."""
        recorded = self._recorded()
        return recorded[0] if recorded and _started_at(recorded[0]) == recorded[1] else None

    @property
    def is_logged(self) -> bool:
        """Whether it runs and writes to its log; one that was started in the foreground writes to the terminal."""
        pid = self.pid
        return pid is not None and _writes_to(pid, self.log)

    @property
    def state(self) -> str:
        pid = self.pid
        if pid is None:
            return DEAD if self._recorded() else DOWN
        if is_frozen(pid):
            return STOPPED
        try:
            return UP if self._ready() else STARTING
        except ProcessFailed:
            return STARTING

    def start(self) -> bool:
        """Start it unless it is alive; False where it was. Does not wait until it serves."""
        if self.pid is not None:
            return False
        argv = self._command()
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._child = subprocess.Popen(
                argv,
                env=self._env,
                cwd=self._cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            self.record(self._child.pid)
        except OSError:  # nobody would find it again
            self._child.kill()
            self._child.wait()
            raise
        return True

    def record(self, pid: int) -> None:
        """Note that `pid` is this process from now on."""
        self.pid_file.parent.mkdir(parents=True, exist_ok=True)
        written = self.pid_file.with_suffix(".new")
        written.write_text(f"{pid} {_started_at(pid) or 'gone'}\n")
        written.replace(self.pid_file)

    def await_ready(self, timeout_s: float = 60.0) -> None:
        """Return once it serves. Raises ProcessFailed with the end of its log if it dies or takes too long."""
        until = time.monotonic() + timeout_s
        while time.monotonic() < until:
            if self.pid is None:
                raise ProcessFailed(self._why_it_died())
            if self._ready():
                return
            time.sleep(POLL_S)
        raise ProcessFailed(
            f"{self.name} runs but did not serve within {timeout_s:.0f} s; the end of {self.log}:\n{self.log_tail()}"
        )

    def stop(self) -> bool:
        """Ask it to stop (SIGTERM), wait, and end its group by force after the deadline. False: it did not run."""
        pid = self.pid
        if pid is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
                os.kill(pid, signal.SIGCONT)
            if not self._await_end(self._stop_s):
                self.kill()
        else:
            self._end_orphans()
        self.pid_file.unlink(missing_ok=True)
        return pid is not None

    def kill(self) -> None:
        """SIGKILL it with its group and return when it is gone: a crash, so the pid file stays."""
        pid = self.pid
        if pid is None:
            return
        with contextlib.suppress(ProcessLookupError):
            end = os.killpg if os.getpgid(pid) == pid else os.kill
            end(pid, signal.SIGKILL)
        if not self._await_end(10.0):
            raise ProcessFailed(f"{self.name} (pid {pid}) did not end within 10 s of SIGKILL")

    def pause(self) -> None:
        """Freeze it by SIGSTOP, which keeps its sockets open, and return when it stands still."""
        self._signal(signal.SIGSTOP, frozen=True)

    def resume(self) -> None:
        """Let it go on (SIGCONT), and return when it does."""
        self._signal(signal.SIGCONT, frozen=False)

    def log_tail(self) -> str:
        """The last lines of its log, indented."""
        if not self.log.exists():
            return "    (no log)"
        with self.log.open("rb") as log:
            log.seek(max(0, self.log.stat().st_size - 16 * 1024))
            lines = log.read().decode(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "\n".join(f"    {line}" for line in lines) or "    (empty)"

    def _why_it_died(self) -> str:
        tail = self.log_tail()
        known = (reason for words, reason in self._reasons.items() if words in tail)
        return next(known, f"{self.name} died while starting; the end of {self.log}:\n{tail}")

    def _signal(self, number: signal.Signals, *, frozen: bool) -> None:
        pid = self.pid
        if pid is None:
            raise ProcessFailed(f"{self.name} does not run")
        os.kill(pid, number)
        until = time.monotonic() + 5.0
        while is_frozen(pid) != frozen and self.pid is not None:
            if time.monotonic() > until:
                raise ProcessFailed(f"{self.name} (pid {pid}) did not heed {number.name}")
            time.sleep(POLL_S / 10)

    def _end_orphans(self) -> None:
        """SIGKILL what a crash left behind: members of the dead process's session whose output is our log."""
        recorded = self._recorded()
        if recorded is None or _started_at(recorded[0]) is not None:
            return
        orphans = [pid for pid in _members_of_session(recorded[0]) if _writes_to(pid, self.log)]
        for pid in orphans:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        until = time.monotonic() + ORPHANS_END_S
        while any(_started_at(pid) for pid in orphans) and time.monotonic() < until:
            time.sleep(POLL_S)

    def _await_end(self, timeout_s: float) -> bool:
        until = time.monotonic() + timeout_s
        while self.pid is not None:
            if time.monotonic() > until:
                return False
            time.sleep(POLL_S)
        if self._child is not None:
            self._child.wait()
        return True

    def _recorded(self) -> tuple[int, str] | None:
        try:
            pid, _, started_at = self.pid_file.read_text().strip().partition(" ")
            return int(pid), started_at
        except (FileNotFoundError, ValueError):
            return None


def is_frozen(pid: int) -> bool:
    """Whether SIGSTOP holds the process."""
    try:
        return psutil.Process(pid).status() == psutil.STATUS_STOPPED
    except psutil.NoSuchProcess:
        return False


def _started_at(pid: int) -> str | None:
    """When the process began, in words that no other process has; None if there is none, or only its zombie."""
    try:
        process = psutil.Process(pid)
        if process.status() in (psutil.STATUS_ZOMBIE, psutil.STATUS_DEAD):
            return None
        began_s = process.create_time()
    except psutil.NoSuchProcess:
        return None
    if not BOOT_ID.exists():
        return f"{began_s:.2f}"
    # psutil adds the time of the boot, which moves when the clock is set; what it was added to does not move.
    ticks = round((began_s - psutil.boot_time()) * TICKS_PER_S)
    return f"{ticks}@{BOOT_ID.read_text().strip()}"


def _members_of_session(session: int) -> list[int]:
    """The processes of a session."""
    members = []
    for pid in psutil.pids():
        with contextlib.suppress(OSError):  # it is gone, or none of ours
            if os.getsid(pid) == session:
                members.append(pid)
    return members


def _writes_to(pid: int, log: Path) -> bool:
    """Whether a process's standard output is this file, which may have been put aside since."""
    with contextlib.suppress(psutil.Error):
        files = psutil.Process(pid).open_files()
        return any(file.fd == STDOUT and file.path.startswith(str(log.resolve())) for file in files)
    return False
