"""What a person at chat.sh sees of what happens to the device."""

from __future__ import annotations

import asyncio
from typing import Any

from hongyan import Frame, Lost, Message, Observer
from hongyan.channel import NO_CODE

from ops.chat import lines


class Screen(Observer):
    """Shows what happens, and notes how far the person has seen each conversation.

    `nobody` gets why the very first connection failed, where what answers at that port is no gateway.
    """

    def __init__(self, user: str) -> None:
        self._user = user
        self._has_been_connected = False
        self._is_told = False  # that there is no connection
        self.nobody: asyncio.Future[Lost] = asyncio.get_running_loop().create_future()
        self.seen: dict[str, int] = {}
        self.wake = asyncio.Event()

    def __repr__(self) -> str:
        state = "away" if self._is_told else "connected" if self._has_been_connected else "not connected yet"
        return f"Screen({self._user}, {state}, {len(self.seen)} to tell)"

    def show(self, *shown: str) -> None:
        """One line for each of `shown`, whatever others wrote into it. All that is seen passes here."""
        print("\n".join(map(lines.printable, shown)), flush=True)

    def connected(self, login: dict[str, Any]) -> None:
        self._has_been_connected, self._is_told = True, False
        self.show(f"-- connected as {login['user']['id']} 已连接")

    def restored(self) -> None:
        self.seen.clear()
        self.show(
            "-- the server was restored from a backup: what was said since is gone 服务器已从备份恢复，其后的已丢失"
        )

    def applied(self, message: Message) -> None:
        self.show(lines.line(message, self._user))
        if message["sender"] != self._user:
            self.seen[message["conversation"]] = message["seq"]
            self.wake.set()

    def pushed(self, frame: Frame) -> None:
        if frame["op"] == "kicked":
            self.show(f"-- sent away 已下线: {frame['data']['reason']}")

    def lost(self, lost: Lost) -> None:
        if lost.is_final:
            self.show(f"-- connection ended 连接断开 ({lost})")
        elif not self._has_been_connected and lost.code == NO_CODE:
            if not self.nobody.done():
                self.nobody.set_result(lost)
        elif not self._is_told:
            what = "connection lost" if self._has_been_connected else "no connection yet"
            self.show(f"-- {what} ({lost}): trying again 连接断开，正在重连")
        self._is_told = True
