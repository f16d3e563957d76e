"""One sync of a device: what its conversations lack, asked for until it is here (protocol.md section 5, "sync")."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

from hongyan.connection import Connection, Refused, retry_pause
from hongyan.state import Conversations, Event

HISTORY_LIMIT = 200
LIST_LIMIT = 200
HOUR_MS = 3_600_000


class Sync:
    """Over one connection. What comes goes into `state`, and what follows from it to `handle`."""

    def __init__(self, connection: Connection, state: Conversations, handle: Callable[[Iterable[Event]], None]) -> None:
        self._connection = connection
        self._state = state
        self._handle = handle

    def __repr__(self) -> str:
        return f"Sync({self._connection}, {self._state})"

    async def run(self) -> bool:
        """All calls and pages that it takes. False: the store was restored meanwhile, so that another must follow.
        Raises Refused, Lost."""
        if self._state.is_new:
            await self._learn()
        since = self._state.unnamed_since
        active = None if since is None else await self._active(since)
        requests = self._state.requests(active)
        while requests:
            for request in requests:
                await self._pages(request)
                if self._state.is_new:
                    return False
            requests = self._state.rest()
        return True

    async def _learn(self) -> None:
        """A new device goes on from where its user has read."""
        async for views in self._listed():
            self._handle(self._state.learn(views))
        self._state.learned()

    async def _pages(self, request: dict[str, Any]) -> None:
        """All pages of one call of a sync; of another epoch, the first."""
        while True:
            reply = await self._patiently("sync", request)
            self._handle(self._state.synced(request, reply))
            if self._state.is_new:
                return
            newest = {entry["conversation"]: entry["max_seq"] for entry in reply["conversations"]}
            for conversation in reply["more"]:
                await self._fetch(conversation, newest[conversation])
            if "next" not in reply:
                return
            request = {**request, "after": reply["next"]}

    async def _active(self, since: int) -> set[str]:
        """The conversations in which something was said since `since` (ms), and some more. The list goes by hours."""
        found: set[str] = set()
        async for views in self._listed():
            found.update(view["conversation"] for view in views)
            if min((view["last"]["time"] for view in views if "last" in view), default=0) < since - 2 * HOUR_MS:
                break
        return found

    async def _listed(self) -> AsyncIterator[list[dict[str, Any]]]:
        """conversation.list, a page at a time."""
        request: dict[str, Any] = {"limit": LIST_LIMIT}
        while True:
            reply = await self._patiently("conversation.list", request)
            yield reply["conversations"]
            if "next" not in reply:
                return
            request = {**request, "after": reply["next"]}

    async def _fetch(self, conversation: str, up_to: int) -> None:
        """Page on to `up_to`, or to where the user was put out of the conversation meanwhile."""
        while (last := self._state.last(conversation)) < up_to:
            request = {"conversation": conversation, "after": last, "limit": HISTORY_LIMIT}
            try:
                reply = await self._patiently("message.history", request)
            except Refused:
                return
            self._handle(self._state.page(reply["messages"]))
            if self._state.last(conversation) == last:
                return

    async def _patiently(self, op: str, data: dict[str, Any]) -> dict[str, Any]:
        """Again as long as the answer is that later may be better. Raises Refused, Lost."""
        for tries in itertools.count(1):
            try:
                return await self._connection.call(op, data)
            except Refused as refused:
                if not refused.retry:
                    raise
                pause = retry_pause(tries, refused.error.get("retry_after", 0))
            await asyncio.sleep(pause)
        raise AssertionError
