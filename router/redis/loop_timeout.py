"""A timeout that does not blame the other side for a loop of ours that stood still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

TURNS = 5


@asynccontextmanager
async def loop_timeout(seconds: float) -> AsyncIterator[None]:
    """Like asyncio.timeout, and raises TimeoutError as it does, but counted in turns of the loop.

    After a turn that was late by seconds, what arrived meanwhile is read before the next turn is counted.
    """
    loop = asyncio.get_running_loop()
    turn: asyncio.TimerHandle
    async with asyncio.timeout(None) as limit:

        def count(left: int) -> None:
            nonlocal turn
            if left:
                turn = loop.call_later(seconds / TURNS, count, left - 1)
            else:
                limit.reschedule(loop.time())

        turn = loop.call_later(seconds / TURNS, count, TURNS - 1)
        try:
            yield
        finally:
            turn.cancel()
