"""What the parts of a gateway are tested with: a wire that keeps what is written, a registrar over a router in memory,
and the far end of a bus in memory."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from bus import queues
from bus.memory.bus import MemoryBus
from gateway.clients.connection import Connection
from gateway.clients.hub import Hub
from gateway.clients.session import State
from protocol import codec
from protocol.errors import Close
from protocol.models import Downward, DownwardMessage, ReceiveInfo, UserInfo, read_upward
from protocol.ops import ORDERED, PARALLEL

ADDRESS = "g1.e1"
PARTITIONS = 2


class KeptWire:
    """A wire whose frames are lines. `stuck_bytes` is what its peer has not taken."""

    door = "ws"
    framed: Callable[[bytes], bytes] = staticmethod(lambda payload: payload + b"\n")

    def __init__(self) -> None:
        self.writes: list[bytes] = []
        self.closes: list[tuple[Close, str]] = []
        self.stuck_bytes = 0
        self.pings = 0
        self.is_paused = False

    def send(self, data: bytes) -> None:
        self.writes.append(data)

    @property
    def queued_bytes(self) -> int:
        return self.stuck_bytes

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        self.is_paused = False

    def ping(self) -> None:
        self.pings += 1

    def close(self, code: Close, reason: str) -> None:
        self.closes.append((code, reason))

    @property
    def frames(self) -> list[dict[str, Any]]:
        """Every frame that was written, in order."""
        return [json.loads(line) for line in b"".join(self.writes).splitlines()]

    @property
    def ops(self) -> list[str]:
        return [frame["op"] for frame in self.frames]


class Crowd:
    """Connections of a hub, logged in without a login."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def join(self, user: str, *groups: str, terminal: str = "web", session: str = "") -> tuple[Connection, KeptWire]:
        wire = KeptWire()
        connection = self._hub.open(wire, self._hub.remove)
        connection.user, connection.terminal, connection.session_id = user, terminal, session or f"s-{user}"
        connection.sender = UserInfo(user, terminal)
        self._hub.enter(connection)
        token = self._hub.membership.begin_load()
        self._hub.membership.load(user, dict.fromkeys(groups, 1), token)
        connection.session.move(State.OPENING)
        connection.session.move(State.OPEN)
        return connection, wire


class FarEnd:
    """The worker's end: takes the batches that a gateway sent and answers them over a numbered link."""

    def __init__(self, bus: MemoryBus, *names: str) -> None:
        wanted = names or (*(queues.ordered(p) for p in range(PARTITIONS)), PARALLEL)
        self._fabric = bus
        self._bus = bus.worker_end(list(wanted), 1000)
        self._bus.connect()
        self._number = 0

    def batches(self) -> list[list[ReceiveInfo]]:
        """The batches that came since, each with its commands."""
        taken = self._bus.take(0)
        self._bus.ack(taken)
        return [read_upward(delivery.body).bodies for delivery in taken]

    def commands(self) -> list[ReceiveInfo]:
        return [command for batch in self.batches() for command in batch]

    def send(self, address: str, *bodies: Downward, lost: int = 0) -> None:
        """The next message of the link to `address`, after `lost` others that never arrive."""
        self._number += lost + 1
        self._publish(DownwardMessage(queues.gateway(address, 1), "w1.x", list(bodies), self._number, worker=ORDERED))

    def send_beacon(self, address: str) -> None:
        """What an idle link says."""
        self._publish(DownwardMessage(queues.gateway(address, 1), "w1.x", [], self._number, "beacon", ORDERED))

    def send_beacon_of_pool(self, address: str) -> None:
        """The same of the other kind of workers."""
        self._publish(DownwardMessage(queues.gateway(address, 1), "p1.x", [], 0, "beacon", PARALLEL))

    def _publish(self, message: DownwardMessage) -> None:
        self._fabric.publish(message.to, codec.write_struct(message))
