"""The composition root of a gateway: what it is made of, how it starts, and the order in which it stops."""

from __future__ import annotations

import asyncio
import secrets
from contextlib import suppress
from dataclasses import replace

import structlog

from bus.interface import GatewayBus
from conf.settings import Settings
from gateway.clients.connection import Connection
from gateway.clients.deadlines import Deadlines
from gateway.clients.hub import Hub
from gateway.clients.outgoing import Outgoing
from gateway.clients.peer_addresses import PeerAddresses
from gateway.clients.rate import Rate
from gateway.doors.http.api import api_rules
from gateway.doors.http.door import HttpDoor
from gateway.doors.http.operations import health_rules, operations_rules
from gateway.doors.http.pages import Origins
from gateway.doors.http.sockets import HttpSockets
from gateway.doors.long_poll.handlers import poll_rules
from gateway.doors.long_poll.sessions import PollSessions
from gateway.doors.server import Doors, Ports
from gateway.doors.websocket import websocket_rules
from gateway.limits import Limits
from gateway.metrics import PENDING
from gateway.open_files import raise_limit, room_within
from gateway.road.downlink import Downlink, Handlers
from gateway.road.links import Links
from gateway.road.numbering import CommandMaker
from gateway.road.road import Road
from gateway.road.uplink import Uplink
from gateway.sessions.api_sessions import ApiSessions
from gateway.sessions.attendant import Attendant
from gateway.sessions.drain import send_everyone_away
from gateway.sessions.joining import Joining
from gateway.sessions.login import LoginFlow
from gateway.sessions.login_queue import LoginQueue
from gateway.sessions.refresh import Refresher
from gateway.sessions.revoker import Revoker
from gateway.sessions.session_ends import SessionEnds
from gateway.sessions.terminals import Terminals
from process.supervision import recent_failures, start_task
from protocol.models import Answer, Membership, Push, Revocation, Takeover
from protocol.ops import WORKERS
from protocol.tokens import TokenSigner
from router.interface import GatewayLease, NameTaken, Registrar, RouterAway

MAX_OPERATORS = 64  # sockets of those who ask for figures and readiness at a port of its own

log = structlog.get_logger()


class Gateway:
    """One gateway. `start` returns when its doors are open; `stop`, which may come at any time, when all is closed."""

    def __init__(self, settings: Settings, name: str, ports: Ports, bus: GatewayBus, registrar: Registrar) -> None:
        self._name, self._ports = name, ports
        self._settings = settings.gateway
        room = room_within(raise_limit(), settings.gateway.max_connections)
        self._limits = limits = replace(Limits.of(settings.gateway), max_connections=room.connections)
        self._bus = bus
        self._registrar = registrar
        self._state = "down"
        self._name_lost: asyncio.Queue[NameTaken] = asyncio.Queue()
        self._renewing: asyncio.Task[None] | None = None
        # clients
        self._commands = CommandMaker(name, secrets.token_hex(8), settings.partitions)
        outgoing = Outgoing(limits.max_queued_bytes, limits.slow_s)
        self._hub = hub = Hub(self._commands.address, outgoing)
        # up the road
        self._uplink = Uplink(self._commands.address, bus, limits.request_timeout_s, limits.max_pending)
        self._road = road = Road(self._commands, self._uplink)
        PENDING.set_function(lambda: len(self._uplink))
        # sessions
        rate = Rate(limits.messages_per_s, limits.message_burst, limits.max_messages_over_rate)
        signer = TokenSigner(settings.token.secret, settings.token.access_s)
        self._joining = joining = Joining(hub, registrar)
        self._terminals = Terminals(hub, registrar, limits.connections_per, limits.max_connections_per_user)
        deadlines = Deadlines(limits, self._session_over)
        login_flow = LoginFlow(hub, road, joining, self._terminals, signer, deadlines, limits.heartbeat_s)
        self._api_sessions = ApiSessions(login_flow, rate)
        self._revoker = Revoker(hub, self._api_sessions)
        self._session_ends = SessionEnds(road, self._revoker)
        self._refresher = Refresher(hub, road, joining, self._terminals, self._revoker, limits.resync_per_s)
        logins = LoginQueue(login_flow, limits.max_logins)
        self._attendant = Attendant(hub, registrar, road, logins, deadlines, rate, limits)
        # down the road
        self._links = Links(bus, self._refresher.request)
        self._downlink = Downlink(self._links, self._handlers(), outgoing)
        # doors
        self.polls = PollSessions(self._attendant, name, limits.poll_wait_s, limits.poll_idle_s)
        peers = PeerAddresses(limits.trusted_proxies, limits.max_connections_per_address)
        self._http = HttpDoor(HttpSockets(room.http_sockets, peers))
        self._operations = HttpDoor(HttpSockets(MAX_OPERATORS, peers))
        self._doors = Doors(ports, self._attendant, self.polls, self._http, self._operations)

    def __repr__(self) -> str:
        return f"Gateway({self._commands.address}, {self._state}, {self._hub}, {self._uplink}, {self._downlink})"

    async def start(self) -> None:
        """Bus first, then the router that makes us known, then the doors. Raises OSError where a port is taken, and
        NameTaken."""
        self._doors.bind()
        self._state = "up"
        await self._bus.start(self._commands.address, self._downlink.receive, self._bus_changed)
        await self._registrar.start(self._lease, self._hub.snapshot, self._reregistered, self._name_lost.put_nowait)
        self._uplink.start()
        self._attendant.start()
        self._links.start()
        self._furnish()
        self._doors.open()
        log.info("gateway_started", address=self._commands.address, port=self._ports.http, tcp_port=self._ports.tcp)

    async def serve(self) -> None:
        """Start, and serve until cancelled. Raises as `start` does, and NameTaken when our name has become another's:
        then it is time to stop."""
        await self.start()
        raise await self._name_lost.get()

    async def drain(self) -> None:
        """Say that newcomers should go elsewhere, and serve on."""
        if self._state != "draining":
            self._state = "draining"
            log.info("gateway_draining", address=self._commands.address, connections=len(self._hub.connections))
            await self._renew_lease()

    async def stop(self) -> None:
        """The clients first, while the doors still answer: long-poll clients fetch their goodbye by a request. Then the
        doors, then all that clients and doors needed."""
        if self._state == "down":
            await self._doors.close()  # a port was taken, and another may be ours
            return
        await self.drain()
        self._attendant.turn_newcomers_away()
        await send_everyone_away(self._hub, self._limits.drain_s, self._limits.request_timeout_s)
        self._attendant.stop()
        await self._doors.close()
        await self._uplink.settle(self._limits.request_timeout_s)
        await self._refresher.close()
        self._session_ends.stop()
        self._joining.stop()
        self._links.stop()
        self._uplink.stop()
        await self._registrar.close()
        await self._bus.close()
        log.info("gateway_stopped", address=self._commands.address)

    def _handlers(self) -> Handlers:
        """From each kind of body that workers send to the function that handles it."""
        return {
            Answer: self._uplink.answer,
            Push: self._hub.push,
            Membership: self._joining.changed,
            Revocation: self._revoker.revoked,
            Takeover: self._terminals.take_over,
        }

    def _furnish(self) -> None:
        """What is found behind each port of HTTP."""
        health, operations = health_rules(self._name), operations_rules(self._checks)
        self._http.open(
            Origins(self._settings.origins),
            websocket_rules(self._attendant),
            poll_rules(self._attendant, self.polls),
            api_rules(self._road, self._api_sessions, self._attendant.addresses, self._limits.request_timeout_s),
            health,
            *(() if self._ports.operations is not None else (operations,)),
        )
        self._operations.open(Origins(), health, operations)

    def _checks(self) -> dict[str, bool]:
        return {
            "bus": self._bus.connected,
            "router": self._registrar.connected,
            "store": self._links.ready_workers >= WORKERS,
            **{worker: worker in self._links.ready_workers for worker in sorted(WORKERS)},
            "accepting": self._state == "up",
            "tasks": not recent_failures(),
        }

    def _lease(self) -> GatewayLease:
        return GatewayLease(
            self._name,
            self._commands.epoch,
            self._ports.host,
            self._ports.http,
            self._state,
            len(self._hub.connections),
            self._ports.tcp,
            self._bus.queue_number,
        )

    async def _renew_lease(self) -> None:
        """Tell at once what else would be told within 3 s. A router that is away is told when it is back."""
        with suppress(RouterAway):
            await self._registrar.renew()

    def _bus_changed(self, is_connected: bool) -> None:
        if is_connected:
            self._downlink.forget()
            if self._registrar.connected:  # workers still send to the queue of the former connection
                self._renewing = start_task("lease-renewal", self._renew_lease())
            self._revoker.may_have_missed()
            if self._hub.connections:
                self._refresher.request("broker connection is new")
        else:
            self._uplink.abandon()

    def _session_over(self, connection: Connection) -> None:
        self._session_ends.reached(connection)

    def _reregistered(self) -> None:
        self._refresher.request("routes were registered again")
