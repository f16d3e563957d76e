"""Threads and tasks that nobody waits for: all are started here, so that none ends unnoticed.

Laws: one that works for ever is started again a second after it died of anything; one that does one thing is logged
when it dies. For 10 s after either the process is not ready (`recent_failures`, read by /readyz), so that what dies
again and again shows. Cancelling ends a task for good, a normal return ends either.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from prometheus_client import Counter

RESTART_S = 1.0
REMEMBERED_S = 10.0

FAILURES = Counter("hongyan_failures", "Threads and tasks that died of a fault, by name", ["name"])

log = structlog.get_logger()

_failed_at: dict[str, float] = {}


def recent_failures() -> list[str]:
    """The names of the threads and tasks of this process that died within the last 10 s."""
    since = time.monotonic() - REMEMBERED_S
    return sorted(name for name, at in list(_failed_at.items()) if at > since)


def note_failure(name: str, error: BaseException) -> None:
    """Log that the thread or task `name` died of `error`, and remember it."""
    _failed_at[name] = time.monotonic()
    FAILURES.labels(name).inc()
    log.error("died", name=name, exc_info=error)


def start_task(name: str, work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """A task that does one thing. Hold it: the loop does not."""
    task = asyncio.get_running_loop().create_task(work, name=name)
    task.add_done_callback(_look_at)
    return task


def keep_task_running(name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> asyncio.Task[None]:
    """A task that works for ever. Hold it: the loop does not."""
    return asyncio.get_running_loop().create_task(_kept_running(name, work), name=name)


def keep_thread_running(name: str, work: Callable[[], None], stopping: threading.Event) -> threading.Thread:
    """A thread on which `run_again` runs. It does not keep the process from ending."""
    thread = threading.Thread(target=run_again, args=(name, work, stopping), name=name, daemon=True)
    thread.start()
    return thread


def run_again(name: str, work: Callable[[], None], stopping: threading.Event) -> None:
    """Run `work` on this thread until it returns: again after each failure, but not once `stopping` is set."""
    while True:
        try:
            work()
            return
        except BaseException as error:
            note_failure(name, error)
        if stopping.wait(RESTART_S):
            return


def _look_at(task: asyncio.Task[Any]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        note_failure(task.get_name(), error)


async def _kept_running(name: str, work: Callable[[], Coroutine[Any, Any, None]]) -> None:
    while True:
        try:
            await work()
            return
        except Exception as error:
            note_failure(name, error)
        except asyncio.CancelledError as error:
            task = asyncio.current_task()
            if task is None or task.cancelling():
                raise
            note_failure(name, error)  # what it waited for was cancelled, and not the task
        await asyncio.sleep(RESTART_S)
