"""Runs the scripts of another checkout.

Laws: each runs in a session of its own, so that the terminal's Ctrl-C reaches only us, who decide what stops. One that
starts or stops processes is waited for even then: what it began would otherwise be known to nobody.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType

from conf.settings import PREFIX

ERROR_LINES = 15
INTERRUPTING = (signal.SIGINT, signal.SIGTERM)


class ScriptFailed(Exception):
    """A script of a checkout ended with an error; the message holds the end of what it said."""


def environment(settings: Mapping[str, str]) -> dict[str, str]:
    """What a script gets: these settings and no others, and none of our own Python."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith((PREFIX, "PYTHON", "VIRTUAL_ENV"))}
    return {**kept, **settings}


def run(
    words: Sequence[str],
    where: Path,
    settings: Mapping[str, str],
    *,
    say: Callable[[str], None] | None = None,
    to_its_end: bool = False,
) -> None:
    """Run it in the checkout `where`; `say` is told each line of its output. Raises ScriptFailed."""
    told: deque[str] = deque(maxlen=ERROR_LINES)
    with (
        _interruption_held_back(words) if to_its_end else contextlib.nullcontext(),
        _start(words, where, settings, subprocess.STDOUT) as process,
    ):
        try:
            for line in process.stdout or ():
                told.append(line)
                if say is not None:
                    say(line.rstrip())
            process.wait()
        except KeyboardInterrupt:
            _end(process)
            raise
    if process.returncode != 0:
        raise ScriptFailed(f"{' '.join(words)} in {where} failed:\n{''.join(told).rstrip()}")


def ask(words: Sequence[str], where: Path, settings: Mapping[str, str]) -> str:
    """What it prints. Raises ScriptFailed."""
    with _start(words, where, settings, subprocess.PIPE) as process:
        try:
            answer, told = process.communicate()
        except KeyboardInterrupt:
            _end(process)
            raise
    if process.returncode != 0:
        end = "\n".join(told.splitlines()[-ERROR_LINES:])
        raise ScriptFailed(f"{' '.join(words)} in {where} failed:\n{end}")
    return answer


def _start(words: Sequence[str], where: Path, settings: Mapping[str, str], errors: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        words,
        cwd=where,
        env=environment(settings),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        start_new_session=True,
    )


@contextlib.contextmanager
def _interruption_held_back(words: Sequence[str]) -> Iterator[None]:
    """A signal that would interrupt us does so at the end of this, also one between the start of a process and the
    moment at which we wait for it."""
    came: list[int] = []

    def hold(number: int, _: FrameType | None) -> None:
        if not came:
            print(f"interrupted: as soon as {' '.join(words)} has ended", file=sys.stderr, flush=True)
        came.append(number)

    before = {number: signal.signal(number, hold) for number in INTERRUPTING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        if came:
            signal.raise_signal(came[0])


def _end(process: subprocess.Popen[str]) -> None:
    """The script and what it waits for."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGTERM)
