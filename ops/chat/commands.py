"""The person's side of a chat: what typed lines do.

Law: a line goes to the user or group that was named last and to no other; where that group is not ours, to nobody.
"""

from __future__ import annotations

import contextlib

from hongyan import Device, Lost, Refused
from hongyan.connection import ANSWER_S

from ops.chat import lines
from ops.chat.said import Said
from ops.chat.screen import Screen
from protocol.ids import group_conversation, is_id, private_conversation

HISTORY_LINES = 20


class Chat:
    """Carries out what is typed."""

    def __init__(self, device: Device, screen: Screen, user: str) -> None:
        self._device, self._screen, self._user = device, screen, user
        self._conversation = ""
        self.said = Said(device, screen.show)

    def __repr__(self) -> str:
        return f"Chat({self._user}, {self._conversation or 'with nobody'}, {self.said})"

    async def to(self, words: list[str]) -> None:
        """Talk to a user; says so where there is none yet."""
        self._conversation = ""
        if len(words) != 1 or not is_id(words[0]):
            self._screen.show("! /to USER")
            return
        peer = words[0]
        self._conversation = private_conversation(self._user, peer)
        await self.said.meet(peer, self._conversation)
        self._screen.show(f"-- to {peer}")

    async def group(self, words: list[str]) -> None:
        """Talk to a group of one's own."""
        self._conversation = ""
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
        self._conversation = ""
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
            self._screen.show(lines.line(message, self._user))

    async def help(self, words: list[str]) -> None:
        self._screen.show(*lines.HELP.splitlines())

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
            self._screen.show(f"! there is no command /{name} 没有这个命令", *lines.HELP.splitlines())
            return
        if self._device.in_step.is_set():
            await self.said.settled(ANSWER_S)  # what was said before comes first
        try:
            await command(words)
        except Refused as refused:
            self._screen.show(lines.refusal(refused))
        except Lost:
            self._screen.show("! no connection now, try again 连接断开，请重试")

    def _say(self, text: str) -> None:
        if not self._conversation:
            self._screen.show("! first /to USER or /group ID 请先选择对话")
            return
        self.said.say(self._conversation, text)

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
