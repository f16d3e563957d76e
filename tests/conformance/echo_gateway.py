"""A gateway in which one thing is different: a text goes back to who sent it, as suites of WebSocket expect.

    python -m tests.conformance.echo_gateway --port 21100 --tcp-port 21101

What reads and writes the socket is the product's: handshake, frames, limits, deadlines, closes. With `--wide` the
limits on sizes and time are lifted, for the cases that are about large messages. It prints `ready` once it serves.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from bus.memory.bus import MemoryBus
from conf.sections import GatewaySettings, TokenSettings
from conf.settings import Settings
from gateway.app import Gateway
from gateway.clients.connection import Connection
from gateway.doors import websocket, ws_frames
from gateway.doors.server import Ports
from gateway.road.reply_to import FrameReplyTo
from gateway.sessions.attendant import Attendant
from process.logs import configure_logs
from router.memory.router import MemoryRouter

PARTITIONS = 1
NOT_A_SECRET = "nobody logs in at a gateway that only echoes, so that no token is ever signed"
# Nobody logs in, so the time for it does not count; and a suite sends as fast as it can.
HASTE = {"login_timeout_s": 3600.0, "messages_per_s": 1_000_000, "message_burst": 1_000_000}
WIDE_BYTES = 16 * 1024 * 1024
PATIENCE = {"early_message_timeout_s": 3600.0, "max_queued_bytes": 2 * WIDE_BYTES}


def echoed(attendant: Attendant, connection: Connection, text: str, answerer: FrameReplyTo | None = None) -> bool:
    """In place of `Attendant.received`."""
    connection.reply(text.encode())
    return False


def lift_limits() -> None:
    websocket.MAX_CLIENT_FRAME_BYTES = WIDE_BYTES
    ws_frames.MAX_FRAGMENTS = WIDE_BYTES


async def serve(port: int, tcp_port: int, *, is_wide: bool) -> None:
    Attendant.received = echoed  # type: ignore[method-assign]
    limits = GatewaySettings(**HASTE)
    if is_wide:
        lift_limits()
        limits = GatewaySettings(**HASTE, **PATIENCE)
    settings = Settings("standalone", Path("var"), PARTITIONS, token=TokenSettings(NOT_A_SECRET), gateway=limits)
    bus, router = MemoryBus(PARTITIONS), MemoryRouter()
    ports = Ports(settings.gateway.host, port, tcp_port)
    gateway = Gateway(settings, "echo", ports, bus.gateway_end(), router.registrar())
    await gateway.start()
    print("ready", flush=True)
    await asyncio.Event().wait()


def main() -> None:
    parser = argparse.ArgumentParser(description="A gateway that echoes.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--tcp-port", type=int, required=True)
    parser.add_argument("--wide", action="store_true", help="no limits on sizes and time")
    arguments = parser.parse_args()
    configure_logs("echo")
    asyncio.run(serve(arguments.port, arguments.tcp_port, is_wide=arguments.wide))


if __name__ == "__main__":
    main()
