"""A steady load: so many messages a second from many clients, private and to groups, and when each was answered.

Law: it is open loop as far as clients are: one that waits for five answers in a conversation writes nothing more there,
so an outage piles up no more than people would.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.client import Client

TICK_S = 0.02
WAITING_IN_CONVERSATION = 5
GROUP_PART = 0.3


@dataclass(slots=True)
class Message:
    """One send; times are monotonic seconds. `refusal` is why it ended without a reply."""

    sender: str
    conversation: str
    sent_at: float
    acked_at: float | None = None
    refusal: BaseException | None = None

    @property
    def is_over(self) -> bool:
        return self.acked_at is not None or self.refusal is not None

    def ended(self, outcome: asyncio.Future[dict[str, Any]]) -> None:
        """Its final answer is there."""
        self.refusal = outcome.exception()
        if self.refusal is None:
            self.acked_at = time.monotonic()


class Load:
    """`conversations` names for each client where it may write: (private ones, groups)."""

    def __init__(self, conversations: Sequence[tuple[Client, list[str], list[str]]], seed: str, per_s: int = 0) -> None:
        self._conversations = conversations
        self._per_s = per_s
        self._random = random.Random(seed)
        self._waiting: Counter[tuple[str, str]] = Counter()
        self._silent: set[str] = set()
        self._task: asyncio.Task[None] | None = None
        self.messages: list[Message] = []

    def __repr__(self) -> str:
        return f"Load({len(self.messages)} sent, {sum(self._waiting.values())} unanswered)"

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Write nothing more; what was written is still sent again until it is answered."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            if not self._task.cancelled():
                self._task.result()
            self._task = None

    def silence(self, user: str) -> None:
        """This user writes nothing more."""
        self._silent.add(user)

    def send(self, client: Client, conversation: str, text: str, cid: str = "") -> asyncio.Future[dict[str, Any]]:
        """Send something and count it with the load: nothing is quiet before it has its final answer."""
        message = Message(client.seen.user, conversation, time.monotonic())
        self.messages.append(message)
        outcome = client.send(conversation, {"text": text}, cid=cid)
        outcome.add_done_callback(message.ended)
        return outcome

    def refused(self) -> list[Message]:
        """What was refused for good and should not have been. Who was put out of a group and had no answer yet is
        told that there is no such group."""
        refused = [message for message in self.messages if message.refusal is not None]
        return [m for m in refused if m.sender not in self._silent or "not_found" not in str(m.refusal)]

    async def _run(self) -> None:
        began = time.monotonic()
        written = 0
        while True:
            due = int((time.monotonic() - began) * self._per_s)
            # A test process that was held up does not make up for it in one burst.
            written = max(written, due - self._per_s // 5)
            for _ in range(due - written):
                self._write()
            written = due
            await asyncio.sleep(TICK_S)

    def _write(self) -> None:
        client, private, groups = self._random.choice(self._conversations)
        to_group = groups and self._random.random() < GROUP_PART
        conversation = self._random.choice(groups if to_group else private)
        line = (client.device, conversation)
        if client.seen.user in self._silent or self._waiting[line] >= WAITING_IN_CONVERSATION:
            return
        self._waiting[line] += 1
        outcome = self.send(client, conversation, f"message {len(self.messages)}")
        outcome.add_done_callback(lambda _: self._waiting.subtract([line]))

    async def answered(self, within_s: float) -> float:
        """Until every message has its final answer; the seconds that it took."""
        began = time.monotonic()
        while unanswered := [message for message in self.messages if not message.is_over]:
            waited = time.monotonic() - began
            assert waited < within_s, f"{len(unanswered)} have no answer after {within_s} s: {unanswered[:3]}"
            await asyncio.sleep(TICK_S)
        return time.monotonic() - began

    async def recovered(self, since: float, partition: Callable[[str], int], within_s: float) -> float:
        """Until each partition has acknowledged a message that was first sent after `since`; how long after."""
        partitions = {partition(name) for _, private, groups in self._conversations for name in private + groups}
        while True:
            first: dict[int, float] = {}
            for message in self.messages:
                if message.sent_at >= since and message.acked_at is not None:
                    key = partition(message.conversation)
                    first[key] = min(first.get(key, message.acked_at), message.acked_at)
            if first.keys() == partitions:
                return max(first.values()) - since
            missing = partitions - first.keys()
            assert time.monotonic() - since < within_s, f"partitions {missing} acknowledged nothing in {within_s} s"
            await asyncio.sleep(TICK_S)

    def slowest(self, since: float) -> float:
        """The longest that a message sent after `since` had to wait for its acknowledgement."""
        waits = [m.acked_at - m.sent_at for m in self.messages if m.sent_at >= since and m.acked_at is not None]
        return max(waits, default=0.0)

    async def goes_on(self, messages: int) -> None:
        """Until so many more were acknowledged: the load flows."""
        before = sum(message.acked_at is not None for message in self.messages)
        while sum(message.acked_at is not None for message in self.messages) < before + messages:
            await asyncio.sleep(TICK_S)
