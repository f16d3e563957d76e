"""A thread or task that dies of anything is started again, and readiness knows."""

from __future__ import annotations

import ast
import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from process import supervision
from process.supervision import keep_task_running, keep_thread_running, recent_failures, start_task
from tests.private_servers import ROOT
from tests.test_layers import SOURCES, is_composition_root

WAIT_S = 10.0
# Where a library starts the thread or task, or somebody waits for it.
STARTERS = {"create_task", "ensure_future", "Thread", "TaskGroup"}


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(supervision, "RESTART_S", 0.01)
    monkeypatch.setattr(supervision, "_failed_at", {})
    yield


async def test_a_task_that_died_is_started_again_until_it_is_cancelled() -> None:
    runs: asyncio.Queue[int] = asyncio.Queue()

    async def work() -> None:
        runs.put_nowait(runs.qsize())
        if runs.qsize() < 3:
            raise RuntimeError("a fault")
        await asyncio.Event().wait()

    task = keep_task_running("sweeper", work)
    while runs.qsize() < 3:
        await asyncio.sleep(0.01)
    assert recent_failures() == ["sweeper"]
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled() and runs.qsize() == 3


async def test_a_task_lives_on_where_only_what_it_waited_for_was_cancelled() -> None:
    runs: asyncio.Queue[int] = asyncio.Queue()

    async def work() -> None:
        runs.put_nowait(1)
        of_others: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if runs.qsize() == 1:
            of_others.cancel()
        await of_others

    task = keep_task_running("waiter", work)
    async with asyncio.timeout(WAIT_S):
        while runs.qsize() < 2:
            await asyncio.sleep(0.01)
    assert (recent_failures(), task.done()) == (["waiter"], False)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()


@pytest.mark.parametrize("death", [ValueError, MemoryError, RecursionError, SystemExit, KeyboardInterrupt])
def test_a_thread_that_died_of_anything_is_started_again(death: type[BaseException]) -> None:
    runs: list[int] = []
    done = threading.Event()

    def work() -> None:
        runs.append(1)
        if len(runs) < 3:
            raise death("a fault")
        done.set()

    thread = keep_thread_running("worker", work, threading.Event())
    assert done.wait(WAIT_S)
    thread.join(WAIT_S)
    assert len(runs) == 3 and recent_failures() == ["worker"]


def test_who_fails_at_its_end_is_not_started_again() -> None:
    runs: list[int] = []
    stopping = threading.Event()

    def work() -> None:
        runs.append(1)
        stopping.set()
        raise RuntimeError("a fault while it stops")

    keep_thread_running("worker", work, stopping).join(WAIT_S)
    assert len(runs) == 1


async def test_a_task_that_does_one_thing_does_not_die_unnoticed() -> None:
    async def work() -> None:
        raise RuntimeError("a fault")

    await asyncio.wait([start_task("join", work())])
    assert recent_failures() == ["join"]


def test_a_failure_is_forgotten_after_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    supervision.note_failure("old", RuntimeError("a fault"))
    monkeypatch.setattr(supervision, "REMEMBERED_S", 0.0)
    assert recent_failures() == []


@pytest.mark.parametrize("path", [path for path in SOURCES if path.parts[0] != "process"], ids=str)
def test_every_thread_and_task_is_started_by_supervision(path: Path) -> None:
    if is_composition_root(path):  # it waits for those that it starts
        return
    calls = [node.func for node in ast.walk(ast.parse((ROOT / path).read_text())) if isinstance(node, ast.Call)]
    names = {call.attr if isinstance(call, ast.Attribute) else getattr(call, "id", "") for call in calls}
    assert not names & STARTERS
