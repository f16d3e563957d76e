"""The disk of standalone is full: senders are told `busy`, /readyz is red, and with room all go on by themselves."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from ops.probes import answers_http
from protocol.ids import private_conversation
from tests.client import Socket
from tests.deployments import StandaloneDeployment, User
from tests.http_calls import api
from tests.small_disk import SmallDisk, small_disk

WAIT_S = 20.0
BODY = {"text": "x" * 16_000}


class Full:
    """standalone with all its data, its log included, on a disk of 3 MB; somebody who is logged in and writes."""

    def __init__(self, disk: SmallDisk, system: StandaloneDeployment, socket: Socket, user: User) -> None:
        self.disk, self.system, self.socket, self.user = disk, system, socket, user
        self._send = {"conversation": private_conversation(user.id, user.id), "type": "text", "body": BODY}
        self._sent = 0

    async def send(self) -> dict[str, Any]:
        self._sent += 1
        return await self.socket.ask("message.send", {**self._send, "cid": f"c{self._sent}"})

    async def send_until_refused(self) -> str:
        """The code of the refusal."""
        for _ in range(1000):
            answer = await self.send()
            if answer["op"] == "error":
                return str(answer["data"]["code"])
        raise AssertionError("the disk is never full")

    async def is_ready(self, expected: bool) -> None:
        url = f"http://127.0.0.1:{self.system.operations_port}/readyz"
        async with asyncio.timeout(WAIT_S):
            while await asyncio.to_thread(answers_http, url) is not expected:
                await asyncio.sleep(0.05)


@asynccontextmanager
async def full_at(place: Path, *, log_elsewhere: bool = False) -> AsyncIterator[Full]:
    with small_disk(place / "var", 3) as disk:
        if log_elsewhere:
            (place / "log").mkdir()
            (disk.path / "log").symlink_to(place / "log")
        system = StandaloneDeployment(disk.path)
        with system.running():
            user = system.new_user()
            system.database.close()  # what a test opened has no part in it
            async with await Socket.logged_in(system.url("ws"), user.token) as socket:
                yield Full(disk, system, socket, user)


@pytest.fixture
async def full(tmp_path: Path) -> AsyncIterator[Full]:
    async with full_at(tmp_path) as made:
        yield made


async def test_a_full_disk_is_busy_and_not_ready_and_its_cause_is_in_the_log(full: Full) -> None:
    assert await full.send_until_refused() == "busy"
    for _ in range(3):
        assert (await full.send())["data"]["code"] == "busy"
    await full.is_ready(False)
    assert full.system.processes[0].pid is not None


async def test_with_room_again_it_goes_on_by_itself(full: Full) -> None:
    assert await full.send_until_refused() == "busy"
    await full.is_ready(False)
    full.disk.grow(30)
    await full.is_ready(True)
    assert (await full.send())["op"] == "reply"


async def test_the_cause_is_named_once_in_the_log(tmp_path: Path) -> None:
    async with full_at(tmp_path, log_elsewhere=True) as full:
        assert await full.send_until_refused() == "busy"
        await full.is_ready(False)
        for _ in range(30):  # each is tried or probed for
            assert (await full.send())["data"]["code"] == "busy"
            await asyncio.sleep(0.1)
        (line,) = [line for line in full.system.logs().splitlines() if '"store_cannot_write"' in line]
        assert "SQLITE_FULL: database or disk is full" in json.loads(line)["cause"]


async def test_who_reads_is_served_and_every_other_write_is_busy(full: Full) -> None:
    assert await full.send_until_refused() == "busy"
    assert (await full.socket.ask("sync", {"cursors": {}}))["op"] == "reply"
    async with await Socket.logged_in(full.system.url("ws"), full.user.token) as again:
        assert (await again.ask("user.get", {"ids": ["nobody"]}))["op"] == "reply"
        group = {"name": "geese", "members": [], "cid": "g1"}
        assert (await again.ask("group.create", group))["data"]["code"] == "busy"
    account = {"username": "carol", "password": "a long password"}
    assert (await api(full.system.ports[0], "account.register", account)).code == "busy"
