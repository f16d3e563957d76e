"""Reports a hole in what was sent to this gateway, or a silence, as soon as bus/links.py finds one."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable

from bus.interface import GatewayBus
from bus.links import LinkWatch
from process.supervision import keep_task_running
from protocol.models import DownwardMessage

SILENCE_CHECK_S = 1.0


class Links:
    """The links from all workers. `on_hole(reason)` is called at once, before what came after the hole is handled."""

    def __init__(self, bus: GatewayBus, on_hole: Callable[[str], None]) -> None:
        self._bus = bus
        self._on_hole = on_hole
        self._watch = LinkWatch()
        self._listening: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"Links({self._watch})"

    @property
    def ready_workers(self) -> set[str]:
        """The kinds of workers of which one says that it can serve."""
        return self._watch.ready_workers

    def start(self) -> None:
        """Notice from now on when a link falls silent."""
        self._listening = keep_task_running("link-listener", self._listen)

    def stop(self) -> None:
        if self._listening is not None:
            self._listening.cancel()

    def begin(self) -> None:
        """A new broker connection: every link starts anew."""
        self._watch.begin(time.monotonic())

    def received(self, message: DownwardMessage) -> None:
        """A message came."""
        if self._watch.note(message, time.monotonic()):
            self._on_hole(f"hole in the link of {message.source}")

    async def _listen(self) -> None:
        while True:
            await asyncio.sleep(SILENCE_CHECK_S)
            if self._bus.connected:  # without a broker every link is silent
                for source in self._watch.silent(time.monotonic()):
                    self._on_hole(f"silence of {source}")
