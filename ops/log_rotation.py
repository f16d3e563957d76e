"""Keeps what is logged below var small while it is written: a log that has grown too large becomes NAME.log.1, and goes
on empty.

Laws: whoever writes a log has it open for appending and is not told: the file is copied and then cut to nothing, so a
line that is written in between, some microseconds, may be lost. The oldest copy goes first, which frees its room also
on a full disk. Nothing that goes wrong with one log keeps the others from being looked after.

Called by scripts/cluster.sh: python -m ops.log_rotation --config FILE. Standalone has it in a thread.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import structlog

from conf.settings import Settings, load_or_exit
from process.logs import configure_logs
from process.private_files import write_for_us_only
from process.signals import stop_thread_on_signals

EVERY_S = 5.0
FOLDERS = ("log", "nginx")  # below var: of our processes and of servers; of those who came to the door

log = structlog.get_logger()


def rotate_too_large(settings: Settings) -> list[Path]:
    """Rotate each log that is over `logs.max_bytes`; returns those. Raises nothing: what fails is logged."""
    rotated = []
    for path in _logs(settings.var):
        try:
            if path.stat().st_size > settings.logs.max_bytes:
                rotate(path, settings.logs.kept)
                rotated.append(path)
        except OSError as error:
            log.warning("log_not_rotated", file=str(path), error=error.strerror)
    return rotated


def rotate(path: Path, kept: int) -> None:
    """Put what `path` holds into `path`.1 and cut it to nothing; of such copies `kept` stay. Raises OSError."""
    for older in _copies(path):
        if _number(older) >= kept:
            older.unlink(missing_ok=True)
    for number in range(kept - 1, 0, -1):
        if (older := _copy(path, number)).exists():
            older.replace(_copy(path, number + 1))
    if kept:
        _write_copy(path, _copy(path, 1))
    os.truncate(path, 0)


def keep_rotating(settings: Settings, stopping: threading.Event) -> None:
    """Look every 5 s until `stopping` is set."""
    while not stopping.wait(EVERY_S):
        rotate_too_large(settings)


def _logs(var: Path) -> Iterator[Path]:
    for folder in FOLDERS:
        yield from sorted((var / folder).glob("*.log"))


def _copies(path: Path) -> list[Path]:
    return [copy for copy in path.parent.glob(f"{path.name}.*") if copy.suffix[1:].isdecimal()]


def _copy(path: Path, number: int) -> Path:
    return path.with_name(f"{path.name}.{number}")


def _number(copy: Path) -> int:
    return int(copy.suffix[1:])


def _write_copy(path: Path, copy: Path) -> None:
    """For its owner's eyes only, as the log is. Where there is no room for it, there is none of it."""
    copy.unlink(missing_ok=True)
    descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with path.open("rb") as source, os.fdopen(descriptor, "wb") as target:
            shutil.copyfileobj(source, target, 1024 * 1024)
    except OSError as error:
        copy.unlink(missing_ok=True)
        log.warning("log_not_copied", file=str(path), error=error.strerror)


def main(words: list[str]) -> int:
    write_for_us_only()
    parser = argparse.ArgumentParser(prog="python -m ops.log_rotation", description="Keeps the logs below var small.")
    parser.add_argument("--config", type=Path, required=True)
    options = parser.parse_args(words)
    stopping = stop_thread_on_signals()
    settings = load_or_exit("ops.log_rotation", options.config)
    configure_logs("log-rotation")
    keep_rotating(settings, stopping)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
