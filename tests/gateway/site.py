"""A gateway that runs: real sockets in front, behind it a bus and a router in memory and a worker that does as told."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import websockets
from msgspec import Raw
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from bus.memory.bus import MemoryBus
from conf.sections import GatewaySettings, TokenSettings
from conf.settings import Settings
from gateway.app import Gateway
from gateway.doors.long_poll.sessions import PollSessions
from gateway.doors.server import Ports
from protocol import codec
from protocol.errors import ImError, unauthenticated
from protocol.models import Answer, Downward, ReceiveInfo, Takeover
from protocol.tokens import TokenSigner
from router.memory.router import MemoryRouter
from tests.gateway.wires import PARTITIONS, FarEnd

SECRET = "a secret of tests, long enough even for the algorithms that we do not take"
WAIT_S = 15.0

Frame = dict[str, Any]


class ToldWorker:
    """Answers as told: `groups` {user: {group: seq}} for logins, `ended` sessions, `lasting` {session: ms} for how
    long some last, `refusals` by op, nothing to the ops in `silent`. Any other command is answered with what
    it asked."""

    def __init__(self, bus: MemoryBus) -> None:
        self.far = FarEnd(bus)
        self.groups: dict[str, dict[str, int]] = {}
        self.ended: set[str] = set()
        self.lasting: dict[str, int] = {}
        self.refusals: dict[str, ImError] = {}
        self.silent: set[str] = set()
        self.seen: list[ReceiveInfo] = []
        self.origin = ""
        self._told_at = time.monotonic()
        self._task = asyncio.get_running_loop().create_task(self._work())

    def count(self, op: str) -> int:
        return sum(command.op == op for command in self.seen)

    async def stop(self) -> None:
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _work(self) -> None:
        while True:
            commands = self.far.commands()
            self.seen += commands
            for command in commands:
                if command.op not in self.silent:
                    self.far.send(command.origin, self.answer(command), *self._takeovers(command))
            if time.monotonic() - self._told_at > 1:
                self._tell()
            await asyncio.sleep(0.001)

    def _tell(self) -> None:
        """The beacon of an idle link."""
        self._told_at = time.monotonic()
        if self.origin:
            self.far.send_beacon(self.origin)

    def answer(self, command: ReceiveInfo) -> Answer:
        try:
            return Answer(command.number, "reply", Raw(codec.write_struct(self._reply(command))))
        except ImError as refusal:
            return Answer(command.number, "error", Raw(codec.write(refusal.data())))

    def _takeovers(self, command: ReceiveInfo) -> list[Takeover]:
        """What a login that succeeds has others hear."""
        asked = msgspec.json.decode(command.data)
        takeover = asked.get("takeover")
        is_refused = asked.get("session") in self.ended or command.op in self.refusals
        return [] if takeover is None or is_refused else [msgspec.convert(takeover, Takeover)]

    def _reply(self, command: ReceiveInfo) -> Any:
        if command.op in self.refusals:
            raise self.refusals[command.op]
        asked = msgspec.json.decode(command.data)
        if command.op == "session.open":
            if asked["session"] in self.ended:
                raise unauthenticated()
            user = asked["user"]
            lasts = {"lasts_ms": self.lasting[asked["session"]]} if asked["session"] in self.lasting else {}
            return {"user": {"id": user, "name": user}, "epoch": "e", "groups": self.groups.get(user, {}), **lasts}
        if command.op == "session.check":
            over = [session for session in asked["sessions"] if session not in self.lasting]
            lasting = {session: self.lasting[session] for session in asked["sessions"] if session in self.lasting}
            return {"lasting": lasting, "ended": {"expired": over}}
        if command.op == "session.refresh":
            sessions: dict[str, str] = asked["sessions"]
            ended = [session for session in sessions if session in self.ended]
            return {"ended": ended, "groups": {user: self.groups.get(user, {}) for user in sessions.values()}}
        return {"asked": asked}


class Client:
    """One WebSocket and all that came over it."""

    def __init__(self, socket: ClientConnection) -> None:
        self.socket = socket
        self.frames: list[Frame] = []

    async def send(self, op: str, data: Any = None, frame_id: str | None = "1") -> None:
        frame = {"op": op, "data": {} if data is None else data, **({} if frame_id is None else {"id": frame_id})}
        await self.socket.send(json.dumps(frame))

    async def next(self) -> Frame:
        frame: Frame = json.loads(await asyncio.wait_for(self.socket.recv(), WAIT_S))
        self.frames.append(frame)
        return frame

    async def until(self, op: str) -> Frame:
        """The next frame of this op; what comes before it is kept in `frames`."""
        while (frame := await self.next())["op"] != op:
            continue
        return frame

    async def ask(self, op: str, data: Any = None, frame_id: str = "1") -> Frame:
        await self.send(op, data, frame_id)
        while (frame := await self.next()).get("id") != frame_id:
            continue
        return frame

    async def closed(self) -> int:
        """The code of the close; what comes before it is kept in `frames`."""
        try:
            while True:
                await self.next()
        except ConnectionClosed as closed:
            assert closed.rcvd is not None, "the connection was cut without a close frame"
            return int(closed.rcvd.code)


class Site:
    """`limits` are the gateway's settings."""

    def __init__(self, var: Path, **limits: Any) -> None:
        self.port, self.tcp_port = _free_ports()
        self.bus, self.router = MemoryBus(PARTITIONS), MemoryRouter()
        settings = Settings(
            "standalone",
            var,
            partitions=PARTITIONS,
            token=TokenSettings(SECRET),
            gateway=GatewaySettings(**{"resync_per_s": 100_000, **limits}),
        )
        self.bus_end = self.bus.gateway_end()
        ports = Ports("127.0.0.1", self.port, self.tcp_port)
        self.gateway = Gateway(settings, "g1", ports, self.bus_end, self.router.registrar())
        self._signer = TokenSigner(SECRET, 100)
        self._clients: list[Client] = []

    async def start(self) -> Site:
        self.worker = ToldWorker(self.bus)
        await self.gateway.start()
        (lease,) = self.router.gateways()
        self.address = self.worker.origin = lease.address
        return self

    async def stop(self) -> None:
        for client in self._clients:
            await client.socket.close()
        await self.gateway.stop()
        await self.worker.stop()

    @property
    def polls(self) -> PollSessions:
        return self.gateway.polls

    def token(self, user: str, session: str = "") -> str:
        return self._signer.issue(user, session or f"s-{user}", "web", "d1", time.time_ns() // 1_000_000)[0]

    def push(self, *bodies: Downward, lost: int = 0) -> None:
        """What the worker sends unasked, `lost` messages of it lost on the way."""
        self.worker.far.send(self.address, *bodies, lost=lost)

    async def connect(self) -> Client:
        client = Client(
            await websockets.connect(f"ws://127.0.0.1:{self.port}/ws", compression=None, ping_interval=None)
        )
        self._clients.append(client)
        return client

    async def login(self, user: str, session: str = "", terminal: str = "web", device: str = "d1") -> Client:
        client = await self.connect()
        login = {"token": self.token(user, session), "terminal": terminal, "device": device}
        reply = await client.ask("login", login)
        assert reply["op"] == "reply", reply
        return client


def _free_ports() -> tuple[int, int]:
    """Two ports, both held until both are known."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        return one.getsockname()[1], other.getsockname()[1]


async def until(is_true: Callable[[], bool], wait_s: float = WAIT_S) -> None:
    """Return once `is_true`, which is asked every few milliseconds."""
    async with asyncio.timeout(wait_s):
        while not is_true():
            await asyncio.sleep(0.005)
