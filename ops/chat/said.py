"""What a person said, and what became of it.

Laws: what is said to a user waits until it is known that there is such a user. It is sent in the order in which it was
said, and never given up without a word.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from hongyan import Device, Lost, Refused

from ops.chat import lines

LOOK_S = 1.0
NOTICE_S = 1.0
PATIENCE_S = 10.0


class Said:
    """All that was said in one run of chat.sh. `show` puts a line on the screen."""

    def __init__(self, device: Device, show: Callable[[str], None]) -> None:
        self._device, self._show = device, show
        self._sends: set[asyncio.Future[dict[str, Any]]] = set()  # those with an answer are not in it
        self._held: dict[str, list[str]] = {}  # by conversation, for users who are not known to exist
        self._lookouts: dict[str, asyncio.Task[None]] = {}
        self._absent: set[str] = set()  # conversations with users who do not exist
        self._refused = 0

    def __repr__(self) -> str:
        held = sum(map(len, self._held.values()))
        return f"Said({len(self._sends)} unanswered, {held} held, {self._refused} refused)"

    async def meet(self, peer: str, conversation: str) -> None:
        """What is said to this user from now on is sent, or held until there is such a user."""
        if conversation in self._held:
            if conversation in self._absent:
                self._tell_absent(peer)
            return
        exists = await self._exists(peer)
        if exists:
            return
        if exists is False:
            self._absent.add(conversation)
            self._tell_absent(peer)
        self._held[conversation] = []
        self._lookouts[conversation] = asyncio.create_task(self._look_out(peer, conversation))

    def say(self, conversation: str, text: str) -> None:
        """Send a text, now or once there is somebody to send it to."""
        if conversation in self._held:
            self._held[conversation].append(text)
            return
        outcome = self._device.send(conversation, {"text": text})
        self._sends.add(outcome)
        outcome.add_done_callback(self._answered)

    async def settled(self, patience_s: float = PATIENCE_S) -> None:
        """Until all that can be sent has its answer, or no answer came for so long (s)."""
        while pending := self._pending():
            done, _ = await asyncio.wait(pending, timeout=patience_s, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                return
            await asyncio.sleep(0)  # lets their callbacks run

    async def leave(self) -> None:
        """Wait for what still has no answer, and say so."""
        await self.settled(NOTICE_S)
        if waiting := len(self._pending()):
            self._show(f"-- waiting for {lines.count(waiting)} to be sent; Ctrl-C gives up 等待 {waiting} 行发出")
            await self.settled()

    def report(self) -> bool:
        """Say what was not sent. True: all that was said was sent."""
        for task in self._lookouts.values():
            task.cancel()
        held = sum(map(len, self._held.values()))
        unanswered = sum(_is_unanswered(outcome) for outcome in self._sends)
        untried = min(unanswered, self._device.untried)
        if held + untried:
            self._show(f"! {lines.count(held + untried)} not sent {held + untried} 行未发送")
        if doubtful := unanswered - untried:
            self._show(f"! {lines.count(doubtful)} without an answer, perhaps not sent {doubtful} 行可能未发送")
        return not (held or unanswered or self._refused)

    def _pending(self) -> set[asyncio.Future[Any]]:
        """What may still get an answer: sends, and lookouts for users of whom nothing is known."""
        unknown = {task for name, task in self._lookouts.items() if self._held.get(name) and name not in self._absent}
        return {outcome for outcome in self._sends if not outcome.done()} | unknown

    def _answered(self, outcome: asyncio.Future[dict[str, Any]]) -> None:
        if outcome.cancelled() or isinstance(error := outcome.exception(), Lost):
            return
        self._sends.discard(outcome)
        if isinstance(error, Refused):
            self._refused += 1
            self._show(lines.refusal(error))

    async def _look_out(self, peer: str, conversation: str) -> None:
        """Until the user exists; then what was held is sent."""
        while not (exists := await self._exists(peer)):
            if exists is False and conversation not in self._absent:
                self._absent.add(conversation)
                self._tell_absent(peer)
            await asyncio.sleep(LOOK_S)
        if conversation in self._absent:
            self._absent.discard(conversation)
            self._show(f"-- {peer} is there now 用户已存在")
        for text in self._held.pop(conversation):
            self.say(conversation, text)
        del self._lookouts[conversation]

    async def _exists(self, peer: str) -> bool | None:
        """None: that cannot be known now."""
        try:
            return bool((await self._device.call("user.get", {"ids": [peer]}))["users"])
        except (Refused, Lost):
            return None

    def _tell_absent(self, peer: str) -> None:
        self._show(
            f"! there is no user {peer!r} yet: what you say waits until scripts/chat.sh {peer} was run 用户尚不存在"
        )


def _is_unanswered(outcome: asyncio.Future[dict[str, Any]]) -> bool:
    return not outcome.done() or outcome.cancelled() or isinstance(outcome.exception(), Lost)
