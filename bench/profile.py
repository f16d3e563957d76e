"""Where the time goes: py-spy profiles of the gateway and the ordered worker while private messages run at full load.

Written beside the figures: `profile-DATE-g1.raw` (collapsed stacks, which flame graph programs read) and
`profile-DATE.txt` (per process the functions with most time of their own, and most including what they call).
"""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path

from bench.load_process import LoadFailed, LoadProcess
from bench.run import Run

PROFILED = ("g1", "w1")
SAMPLES_PER_S = 200
TOP = 40
# Where a thread stands that has nothing to do, and that py-spy does not know as idle.
WAITING = ("_worker (concurrent/futures/thread.py)", "select (selectors.py)", "wait (threading.py)")


def profile(run: Run, directory: Path, stamp: str, seconds: int) -> Path:
    """Record, summarise, and return the summary's file."""
    job = run.pairs_job(1, seconds + 2.0)
    pids = run.cluster.pids()
    with LoadProcess(job) as load:
        load.await_mark("begin")
        recorders = {name: _record(pids[name], directory / f"profile-{stamp}-{name}.raw", seconds) for name in PROFILED}
        for name, recorder in recorders.items():
            said = recorder.communicate()[0]
            if recorder.returncode != 0:
                raise LoadFailed(f"py-spy could not profile {name}:\n{said}")
        load.await_mark("end")
        result = load.result()
    run.record("profiled", result)
    parts = [f"{result['rate']:,.0f} messages/s while profiled (py-spy itself takes its share)\n"]
    parts += [summary(name, (directory / f"profile-{stamp}-{name}.raw").read_text()) for name in PROFILED]
    target = directory / f"profile-{stamp}.txt"
    target.write_text("\n".join(parts))
    return target


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
