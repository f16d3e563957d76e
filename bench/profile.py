"""Where the time goes: py-spy profiles of the gateway and the ordered worker while private messages run at full load,
or of the gateway and the parallel worker during a reconnect storm.

Written beside the figures: `profile-DATE-NAME.raw` (collapsed stacks, which flame graph programs read) and
`profile-DATE.txt` (per process the functions with most time of their own, and most including what they call).
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from bench.figures.storm import storm
from bench.load_process import LoadFailed, LoadProcess
from bench.run import Run

SAMPLES_PER_S = 200
TOP = 40
# Where a thread stands that has nothing to do, and that py-spy does not know as idle.
WAITING = ("_worker (concurrent/futures/thread.py)", "select (selectors.py)", "wait (threading.py)")


def profile(run: Run, directory: Path, stamp: str, seconds: int) -> Path:
    """Record private messages, summarise, and return the summary's file."""
    recording = _Recording(run, directory, stamp, seconds)
    with LoadProcess(run.pairs_job(1, seconds + 2.0)) as load:
        load.await_mark("begin")
        recording.begin(("g1", "w1"))
        recording.await_end()
        load.await_mark("end")
        result = load.result()
    run.record("profiled", result)
    return recording.summarise(f"{result['rate']:,.0f} messages/s while profiled (py-spy itself takes its share)\n")


def profile_storm(run: Run, directory: Path, stamp: str, seconds: int) -> Path:
    """Record the first wave of a storm from the moment at which g1 is killed, as far as it lasts."""
    recording = _Recording(run, directory, stamp, seconds)
    run.cluster.resize(2, 1)
    first, _ = storm(run, lambda killed: recording.begin(("g2", "p1")) if killed == "g1" else None)
    recording.await_end()
    told = f"{first['clients']} clients caught up within {first['all_s']} s while {seconds} s were profiled\n"
    return recording.summarise(told)


class _Recording:
    """Of some processes, for so long."""

    def __init__(self, run: Run, directory: Path, stamp: str, seconds: int) -> None:
        self._run, self._directory, self._stamp, self._seconds = run, directory, stamp, seconds
        self._recorders: dict[str, subprocess.Popen[str]] = {}

    def begin(self, names: Sequence[str]) -> None:
        pids = self._run.cluster.pids()
        self._recorders = {name: _record(pids[name], self._raw(name), self._seconds) for name in names}

    def await_end(self) -> None:
        """Raises LoadFailed."""
        for name, recorder in self._recorders.items():
            said = recorder.communicate()[0]
            if recorder.returncode != 0:
                raise LoadFailed(f"py-spy could not profile {name}:\n{said}")

    def summarise(self, head: str) -> Path:
        """The summary's file."""
        parts = [head, *(summary(name, self._raw(name).read_text()) for name in self._recorders)]
        target = self._directory / f"profile-{self._stamp}.txt"
        target.write_text("\n".join(parts))
        return target

    def _raw(self, name: str) -> Path:
        return self._directory / f"profile-{self._stamp}-{name}.raw"


def _record(pid: int, target: Path, seconds: int) -> subprocess.Popen[str]:
    py_spy = Path(sys.executable).with_name("py-spy")
    words = [str(py_spy), "record", "--pid", str(pid), "--duration", str(seconds), "--rate", str(SAMPLES_PER_S)]
    words += ["--format", "raw", "--threads", "--output", str(target)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def summary(name: str, raw: str) -> str:
    """The top functions of collapsed stacks: `frame;frame;frame samples` a line, the innermost last. Waiting threads
    are left out; shares are of what is left."""
    own: Counter[str] = Counter()
    whole: Counter[str] = Counter()
    waiting = 0
    for line in raw.splitlines():
        stack, _, samples = line.rpartition(" ")
        frames = [_function(frame) for frame in stack.split(";")]
        if frames[-1].endswith(WAITING):
            waiting += int(samples)
            continue
        own[frames[-1]] += int(samples)
        for frame in set(frames):
            whole[frame] += int(samples)
    total = sum(own.values())
    head = f"{name}: {total} samples at {SAMPLES_PER_S} a second, and {waiting} of threads that waited"
    return f"{head}\n\n{_table('own time', own, total)}\n{_table('with callees', whole, total)}"


def _function(frame: str) -> str:
    """`name (file:line)` without the line."""
    return frame.rpartition(":")[0] + ")" if frame.endswith(")") and ":" in frame else frame


def _table(title: str, counts: Counter[str], total: int) -> str:
    rows = [f"  {100 * samples / max(total, 1):6.2f} %  {name}" for name, samples in counts.most_common(TOP)]
    return "\n".join([title, *rows, ""])
