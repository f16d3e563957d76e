"""The composition root of a gateway: what it is made of, how it starts, and the order in which it stops."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import suppress

import structlog
from tornado.web import Application

from bus.interface import GatewayBus
from conf.settings import Settings
from gateway.clients.addresses import Addresses
from gateway.clients.closing import Closer
from gateway.clients.connection import Connection
from gateway.clients.deadlines import Deadlines
from gateway.clients.hub import Hub
from gateway.clients.outgoing import Outgoing
from gateway.clients.rate import Rate
from gateway.doors.long_poll.sessions import PollSessions
from gateway.doors.server import Doors, application
from gateway.road.downlink import Downlink
from gateway.road.numbering import CommandMaker
from gateway.road.uplink import Uplink
from gateway.sessions.api_sessions import ApiSessions
from gateway.sessions.attendant import Attendant
from gateway.sessions.joining import Joining
from gateway.sessions.login import LoginFlow
from gateway.sessions.refresh import Refresher
from gateway.sessions.terminals import Terminals
from protocol.errors import Close
from protocol.tokens import TokenSigner
from router.interface import GatewayLease, Registrar, RouterAway

SILENCE_CHECK_S = 1.0
SILENT_HEARTBEATS = 2.5

log = structlog.get_logger()


class Gateway:
    """One gateway. `start` returns when its door is open; `stop` when everything is closed."""

    def __init__(
        self, settings: Settings, name: str, port: int, tcp_port: int, bus: GatewayBus, registrar: Registrar
    ) -> None:
        limits = settings.gateway
        self._name = name
        self._host = limits.host
        self._port = port
        self._tcp_port = tcp_port
        self._limits = limits
        self._bus = bus
        self._registrar = registrar
        self._state = "up"
        self._silence: asyncio.Task[None] | None = None
        self._commands = CommandMaker(name, secrets.token_hex(8), settings.partitions, limits.request_timeout_s)
        address = self._commands.address
        outgoing = Outgoing(limits.max_queued_bytes, self._close_slow)
        self._hub = Hub(address, outgoing)
        self._uplink = Uplink(address, bus, limits.request_timeout_s, limits.max_pending)
        self._closer = Closer(self._forget)
        signer = TokenSigner(settings.token.secret, settings.token.access_s)
        terminals = Terminals(
            self._hub, self._closer, registrar, address, limits.connections_per, limits.max_connections_per_user
        )
        self._login_flow = LoginFlow(
            self._hub, self._uplink, self._commands, registrar, terminals, signer, limits.heartbeat_s
        )
        rate = Rate(limits.messages_per_s, limits.message_burst, limits.max_messages_over_rate)
        self._api_sessions = ApiSessions(self._login_flow, rate)
        self._joining = Joining(self._hub, self._login_flow, registrar)
        self._refresher = Refresher(
            self._hub,
            self._uplink,
            self._commands,
            self._closer,
            limits.resync_per_s,
            self._joining.changed,
            self._api_sessions.clear,
            terminals.settle,
        )
        self._downlink = Downlink(
            self._hub,
            self._uplink,
            self._closer,
            outgoing,
            self._refresher.request,
            self._joining.joined,
            registrar.leave_groups,
            self._api_sessions.revoke,
            terminals.take_over,
        )
        self._attendant = Attendant(
            self._hub,
            outgoing,
            self._uplink,
            self._commands,
            self._login_flow,
            registrar,
            self._closer,
            Deadlines(
                self._closer,
                limits.login_timeout_s,
                SILENT_HEARTBEATS * limits.heartbeat_s,
                limits.message_timeout_s,
                limits.early_message_timeout_s,
            ),
            rate,
            Addresses(limits.trusted_proxies, limits.max_connections_per_address),
            limits.send_buffer_bytes,
            limits.max_connections,
            limits.max_logins,
            limits.max_pending_per_connection,
        )
        self.polls = PollSessions(self._attendant, name, limits.poll_wait_s, limits.poll_idle_s)
        self._doors = Doors(limits.host, port, tcp_port, self._attendant, self.polls)

    def __repr__(self) -> str:
        return f"Gateway({self._commands.address}, {self._state}, {self._hub}, {self._uplink}, {self._downlink})"

    async def start(self) -> None:
        """Bus first, then the router that makes us known, then the doors."""
        self._doors.bind()
        await self._bus.start(self._commands.address, self._downlink.receive, self._bus_changed)
        await self._registrar.start(self._lease, self._hub.snapshot, self._reregistered)
        self._uplink.start()
        self._attendant.start()
        self._silence = asyncio.get_running_loop().create_task(self._watch_silence())
        await self._doors.open(self._application())
        log.info("gateway_started", address=self._commands.address, port=self._port, tcp_port=self._tcp_port)

    async def drain(self) -> None:
        """Say that newcomers should go elsewhere, and serve on."""
        if self._state != "draining":
            self._state = "draining"
            log.info("gateway_draining", address=self._commands.address, connections=len(self._hub.connections))
            with suppress(RouterAway):
                await self._registrar.renew()

    async def stop(self) -> None:
        """Clients, while the door still answers those that come by single requests; then the door, then what all of
        these needed."""
        await self.drain()
        await self._attendant.stop(self._limits.drain_s, self._limits.request_timeout_s)
        await self._doors.close()
        await self._uplink.settle(self._limits.request_timeout_s)
        await self._refresher.close()
        self._joining.stop()
        if self._silence is not None:
            self._silence.cancel()
        self._uplink.stop()
        await self._registrar.close()
        await self._bus.close()
        log.info("gateway_stopped", address=self._commands.address)

    def _application(self) -> Application:
        return application(
            self._name,
            self._attendant,
            self.polls,
            self._commands,
            self._uplink,
            self._api_sessions,
            self._limits.origins,
            self._checks,
        )

    def _checks(self) -> dict[str, bool]:
        return {
            "bus": self._bus.connected,
            "router": self._registrar.connected,
            "store": self._downlink.links.has_ready_source,
            "accepting": self._state == "up",
        }

    def _lease(self) -> GatewayLease:
        connections = len(self._hub.connections)
        epoch = self._commands.epoch
        return GatewayLease(self._name, epoch, self._host, self._port, self._state, connections, self._tcp_port)

    def _bus_changed(self, is_connected: bool) -> None:
        if is_connected:
            self._downlink.forget()
            self._api_sessions.clear()
            if self._hub.connections:
                self._refresher.request("broker connection is new")
        else:
            self._uplink.abandon()

    def _reregistered(self) -> None:
        self._refresher.request("routes were registered again")

    async def _watch_silence(self) -> None:
        while True:
            await asyncio.sleep(SILENCE_CHECK_S)
            if self._bus.connected:
                for source in self._downlink.links.silent(time.monotonic()):
                    self._refresher.request(f"silence of {source}")

    def _close_slow(self, connection: Connection) -> None:
        self._closer.close(connection, Close.SLOW_CONSUMER)

    def _forget(self, connection: Connection) -> None:
        self._attendant.closed(connection)
