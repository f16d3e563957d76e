"""`python -m gateway --config FILE --name g1 --port 9001`"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import signal
import sys
from pathlib import Path

from bus.rabbit.gateway import RabbitGatewayBus
from bus.rabbit.topology import RabbitAddress
from conf.settings import Settings, load_or_exit
from gateway.app import Gateway
from gateway.doors.server import Ports
from process.gc_tuning import tune_garbage_collector
from process.logs import configure_logs
from process.private_files import write_for_us_only
from process.signals import stop_loop_on_signals
from process.supervision import start_task
from protocol import ids
from router.interface import NameTaken
from router.redis.address import RedisAddress
from router.redis.keys import Keys
from router.redis.registrar import RedisRegistrar


def _name(text: str) -> str:
    """The name of a gateway, which stands in queues, routes, sessions and the store."""
    if not ids.is_id(text):
        raise argparse.ArgumentTypeError("write 1 to 64 of A-Z a-z 0-9 _ . -")
    return text


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m gateway", description="A gateway of Hongyan.")
    parser.add_argument("--config", type=Path, default=Path("conf/cluster.toml"), help="a file of conf/")
    parser.add_argument("--name", type=_name, default="g1", help="unique among the gateways")
    parser.add_argument("--port", type=int, help="where it listens; gateway.port of the configuration otherwise")
    parser.add_argument("--tcp-port", type=int, help="of its TCP door; gateway.tcp_port otherwise")
    return parser.parse_args()


def _gateway(settings: Settings, name: str, port: int, tcp_port: int) -> Gateway:
    bus, router = settings.bus, settings.router
    return Gateway(
        settings,
        name,
        Ports(settings.gateway.host, port, tcp_port),
        RabbitGatewayBus(RabbitAddress(bus.host, bus.port, bus.user, bus.password, bus.virtual_host, bus.heartbeat_s)),
        RedisRegistrar(RedisAddress(router.host, router.port, router.password), Keys(router.prefix)),
    )


async def _serve(settings: Settings, name: str, port: int, tcp_port: int) -> None:
    stopping = stop_loop_on_signals()
    gateway = _gateway(settings, name, port, tcp_port)
    draining: set[asyncio.Task[None]] = set()  # a task that nobody holds may be collected
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, lambda: draining.add(start_task("drain", gateway.drain())))
    tune_garbage_collector()
    serving = asyncio.create_task(gateway.serve())
    asked = asyncio.create_task(stopping.wait())
    await asyncio.wait({serving, asked}, return_when=asyncio.FIRST_COMPLETED)
    serving.cancel()
    asked.cancel()
    try:
        with contextlib.suppress(asyncio.CancelledError):
            await serving
    finally:
        await gateway.stop()


def main() -> int:
    write_for_us_only()
    arguments = _arguments()
    settings = load_or_exit("gateway", arguments.config)
    configure_logs(arguments.name)
    port, tcp_port = arguments.port or settings.gateway.port, arguments.tcp_port or settings.gateway.tcp_port
    try:
        asyncio.run(_serve(settings, arguments.name, port, tcp_port))
    except NameTaken as taken:
        print(f"gateway: {taken}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"gateway: {error.strerror or error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
