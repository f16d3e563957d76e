"""The composition root of standalone: one gateway and one worker of each kind in one process, over SQLite.

The workers run in threads of their own; the same code, the same promises, within one machine.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import threading
from pathlib import Path

import structlog

from bus.memory.bus import MemoryBus
from conf.settings import Settings, load_or_exit
from gateway.app import Gateway
from gateway.doors.server import Ports
from logic import app as logic
from logic.workers.kinds import KINDS
from ops.log_rotation import keep_rotating
from process.gc_tuning import tune_garbage_collector
from process.logs import configure_logs
from process.private_files import keep_for_us_only, write_for_us_only
from process.signals import stop_loop_on_signals
from process.supervision import keep_thread_running
from router.memory.router import MemoryRouter
from store import meta
from store.engines.sqlite_files import served_alone
from store.errors import StoreError, WrongPartitions

log = structlog.get_logger()


def _workers(settings: Settings, bus: MemoryBus, router: MemoryRouter, stopping: threading.Event) -> list[logic.Worker]:
    """One of each kind."""
    workers = []
    for kind in KINDS.values():
        end = bus.worker_end(kind.queues(settings.partitions), settings.bus.prefetch, stopping)
        workers.append(logic.make_worker(kind, settings, f"{kind.prefix}1", end, router.resolver(), stopping))
    return workers


async def _serve(settings: Settings, ports: Ports) -> None:
    asked = stop_loop_on_signals()
    database = logic.open_store(settings, connections=1)
    meta.initialise(database, settings.partitions)
    database.close()
    bus, router, stopping = MemoryBus(settings.partitions), MemoryRouter(), threading.Event()
    workers = _workers(settings, bus, router, stopping)
    gateway = Gateway(settings, "g1", ports, bus.gateway_end(), router.registrar())
    tune_garbage_collector()
    threads: list[threading.Thread] = []
    try:
        await gateway.start()
        threads += [keep_thread_running(f"worker-{n}", worker.run, stopping) for n, worker in enumerate(workers)]
        threads.append(keep_thread_running("log-rotation", lambda: keep_rotating(settings, stopping), stopping))
        await asked.wait()
    finally:
        await gateway.stop()
        stopping.set()
        for thread in threads:
            await asyncio.to_thread(thread.join)


def main() -> int:
    write_for_us_only()
    parser = argparse.ArgumentParser(prog="python standalone.py", description="Hongyan in one process.")
    parser.add_argument("--config", type=Path, default=Path("conf/standalone.toml"), help="a file of conf/")
    parser.add_argument("--port", type=int, help="where it listens; gateway.port of the configuration otherwise")
    parser.add_argument("--tcp-port", type=int, help="of its TCP door; gateway.tcp_port otherwise")
    parser.add_argument(
        "--operations-port", type=int, help="of /readyz and /metrics, on loopback; standalone.operations_port otherwise"
    )
    parser.add_argument("--pid-file", type=Path, help="removed at an orderly end")
    arguments = parser.parse_args()
    settings = load_or_exit("standalone", arguments.config)
    configure_logs("standalone")
    ports = Ports(
        settings.gateway.host,
        arguments.port or settings.gateway.port,
        arguments.tcp_port or settings.gateway.tcp_port,
        arguments.operations_port or settings.standalone.operations_port,
    )
    try:
        keep_for_us_only(settings.var)
        with served_alone(settings.var / settings.store.path):
            asyncio.run(_serve(settings, ports))
    except (WrongPartitions, StoreError) as wrong:
        print(f"standalone: {wrong}", file=sys.stderr)
        return 2
    except OSError as error:
        print(f"standalone: {error.strerror or error}", file=sys.stderr)
        return 1
    if arguments.pid_file is not None:
        arguments.pid_file.unlink(missing_ok=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
