"""The person's side of a chat: what is shown, and what typed lines do."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

from protocol.ids import group_conversation, is_id, private_conversation
from scripts import chat_lines
from scripts.chat_connection import Frame, Lost, Refused
from scripts.chat_device import Device, Reason
from scripts.chat_state import Message

HISTORY_LINES = 20
ANSWERS_S = 15.0


class Screen:
    """Shows what happens to the device, and notes how far the person has seen each conversation."""

    def __init__(self, user: str) -> None:
        self._user = user
        self._is_away = True
        self.seen: dict[str, int] = {}
        self.wake = asyncio.Event()

    def show(self, text: str) -> None:
        print(text, flush=True)

    def connected(self, login: dict[str, Any]) -> None:
        self._is_away = False
        self.show(f"-- connected as {login['user']['id']} 已连接")

    def started(self, conversation: str, after: int) -> None: ...

    def received(self, message: Message) -> None: ...

    def applied(self, message: Message) -> None:
        self.show(chat_lines.line(message, self._user))
        if message["sender"] != self._user:
            self.seen[message["conversation"]] = message["seq"]
            self.wake.set()

    def pushed(self, frame: Frame) -> None:
        if frame["op"] == "kicked":
            self.show(f"-- sent away 已下线: {frame['data']['reason']}")

    def sent(self, data: dict[str, Any], connection: str) -> None: ...

    def acked(self, data: dict[str, Any], reply: dict[str, Any]) -> None: ...

    def refused(self, data: dict[str, Any], code: str) -> None: ...

    def disturbed(self, reason: Reason) -> None: ...

    def synced(self, reason: Reason) -> None: ...

    def lost(self, lost: Lost) -> None:
        if lost.is_final:
            self.show(f"-- connection ended 连接断开 ({lost})")
        elif not self._is_away:
            self.show(f"-- connection lost ({lost}): trying again 连接断开，正在重连")
        self._is_away = True


class Chat:
    """Carries out what is typed."""

    def __init__(self, device: Device, screen: Screen, user: str) -> None:
        self._device, self._screen, self._user = device, screen, user
        self._answers: set[asyncio.Task[None]] = set()
        self._conversation = ""

    async def to(self, words: list[str]) -> None:
        """Talk to a user; says so where there is none yet."""
        if len(words) != 1 or not is_id(words[0]):
            self._screen.show("! /to USER")
            return
        peer = words[0]
        if not (await self._device.call("user.get", {"ids": [peer]}))["users"]:
            self._screen.show(
                f"! there is no user {peer!r} yet: {peer} must run scripts/chat.sh {peer} first 用户不存在"
            )
        self._conversation = private_conversation(self._user, peer)
        self._screen.show(f"-- to {peer}")

    async def group(self, words: list[str]) -> None:
        """Talk to a group of one's own."""
        if len(words) != 1 or not is_id(words[0]):
            self._screen.show("! /group ID")
            return
        found = (await self._device.call("group.get", {"group": words[0]}))["group"]
        self._conversation = group_conversation(found["id"])
        self._screen.show(f"-- to the group {found['name']!r} 群 ({found['members']} members 人)")

    async def create(self, words: list[str]) -> None:
        if not words:
            self._screen.show("! /create NAME USER ...")
            return
        made = (await self._device.call("group.create", {"name": words[0], "members": words[1:]}))["group"]
        self._screen.show(f"-- made the group 建群成功: /group {made['id']}")
        self._conversation = group_conversation(made["id"])

    async def invite(self, words: list[str]) -> None:
        if not words or not self._conversation.startswith("g:"):
            self._screen.show("! /invite USER ... , after /group ID")
            return
        await self._device.call("group.invite", {"group": self._conversation[2:], "users": words})

    async def groups(self, words: list[str]) -> None:
        found = (await self._device.call("group.list", {}))["groups"]
        for group in found:
            self._screen.show(f"   /group {group['id']}  {group['name']!r} ({group['members']} members 人)")
        if not found:
            self._screen.show("-- you are in no group 没有群")

    async def history(self, words: list[str]) -> None:
        limit = int(words[0]) if words and words[0].isdigit() else HISTORY_LINES
        if not self._conversation:
            self._screen.show("! first /to USER or /group ID 请先选择对话")
            return
        request = {"conversation": self._conversation, "limit": min(max(limit, 1), 200)}
        for message in (await self._device.call("message.history", request))["messages"]:
            self._screen.show(chat_lines.line(message, self._user))

    async def help(self, words: list[str]) -> None:
        self._screen.show(chat_lines.HELP)

    async def handle(self, text: str) -> None:
        """One line that was typed."""
        if not text.strip():
            return
        if not text.startswith("/"):
            self._say(text)
            return
        name, *words = text[1:].split()
        command = {
            "to": self.to,
            "group": self.group,
            "create": self.create,
            "invite": self.invite,
            "groups": self.groups,
            "history": self.history,
            "help": self.help,
        }.get(name)
        if command is None:
            self._screen.show(f"! there is no command /{name} 没有这个命令\n{chat_lines.HELP}")
            return
        await self.answered()  # what was said before comes first
        try:
            await command(words)
        except Refused as refused:
            self._screen.show(chat_lines.refusal(refused))
        except Lost:
            self._screen.show("! no connection now, try again 连接断开，请重试")

    def _say(self, text: str) -> None:
        if not self._conversation:
            self._screen.show("! first /to USER or /group ID 请先选择对话")
            return
        outcome = self._device.send(self._conversation, {"text": text})
        task = asyncio.create_task(self._await_answer(outcome))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _await_answer(self, outcome: asyncio.Future[dict[str, Any]]) -> None:
        try:
            await outcome
        except Refused as refused:
            self._screen.show(chat_lines.refusal(refused))
        except Lost:
            self._screen.show("! not sent 未发送")

    async def answered(self) -> None:
        """Until all that was said has its answer."""
        if self._answers:
            _, waiting = await asyncio.wait(self._answers, timeout=ANSWERS_S)
            if waiting:
                self._screen.show(f"! {len(waiting)} without an answer 未得到回复")

    async def tell_what_was_read(self) -> None:
        """For ever: read cursors follow what the screen has shown."""
        while True:
            await self._screen.wake.wait()
            self._screen.wake.clear()
            await self.tell_now()

    async def tell_now(self) -> None:
        seen, self._screen.seen = self._screen.seen, {}
        for conversation, seq in seen.items():
            # A cursor that was not told is told with the next message.
            with contextlib.suppress(Refused, Lost):
                await self._device.call("message.read", {"conversation": conversation, "seq": seq})
