"""`python -m logic KIND|init --config FILE --name w1 --metrics-port 9201`; logic/workers/kinds.py has the kinds."""

from __future__ import annotations

import argparse
import os
import signal
import sys
import threading
from pathlib import Path

import structlog

from conf.gc_tuning import tune_garbage_collector
from conf.logs import configure_logs
from conf.settings import BadSettings, Settings, load
from logic import app
from logic.health import serve_health
from logic.workers.kinds import KINDS, WorkerKind
from store import meta
from store.errors import Contention, StoreAway, WrongPartitions

STORE_RETRY_S = 0.5
MIGRATION_S = 6 * 3600.0  # of a large table

log = structlog.get_logger()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m logic", description="A worker of Hongyan.")
    parser.add_argument("kind", choices=(*KINDS, "init"), help="init creates the tables and ends")
    parser.add_argument("--config", type=Path, default=Path("conf/cluster.toml"), help="a file of conf/")
    parser.add_argument("--name", default="w1", help="unique among the workers")
    parser.add_argument("--metrics-port", type=int, default=9201, help="/metrics, /healthz, /readyz")
    return parser.parse_args()


def _stop_on_signals() -> threading.Event:
    """The first SIGTERM or SIGINT asks for an orderly stop, the second ends the process."""
    stopping = threading.Event()

    def stop(signum: int, frame: object) -> None:
        if stopping.is_set():
            os._exit(1)
        stopping.set()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    return stopping


def _worker(settings: Settings, kind: WorkerKind, name: str, stopping: threading.Event) -> app.Worker:
    bus = app.rabbit_bus(settings, kind, stopping)
    return app.make_worker(kind, settings, name, bus, app.redis_resolver(settings), stopping)


def _wait_for_store(settings: Settings, stopping: threading.Event) -> None:
    """Return when the store answers, its tables are there and it was asked for its partitions, or when `stopping` is
    set. Raises WrongPartitions; StoreError where repeating does not help."""
    database = app.open_store(settings, connections=1, read_timeout_s=MIGRATION_S)
    try:
        while not stopping.is_set():
            try:
                meta.initialise(database, settings.partitions)
                return
            except (StoreAway, Contention) as error:  # contention: other workers make their first start, too
                log.warning("store_away", error=str(error))
                stopping.wait(STORE_RETRY_S)
    finally:
        database.close()


def main() -> int:
    """Run one worker until it is asked to stop. Returns the exit code: 0, or 2 where the configuration is wrong."""
    arguments = _arguments()
    try:
        settings = load(arguments.config)
    except BadSettings as bad:
        print(f"logic: {bad}", file=sys.stderr)
        return 2
    configure_logs(arguments.name)
    stopping = _stop_on_signals()
    try:
        _wait_for_store(settings, stopping)
    except WrongPartitions as wrong:
        print(f"logic: {wrong}", file=sys.stderr)
        return 2
    if arguments.kind == "init" or stopping.is_set():
        return 0
    worker = _worker(settings, KINDS[arguments.kind], arguments.name, stopping)
    stop_health = serve_health("127.0.0.1", arguments.metrics_port, arguments.name, lambda: worker.is_ready)
    log.info("worker_started", kind=arguments.kind, metrics_port=arguments.metrics_port)
    tune_garbage_collector()
    worker.run()
    stop_health()
    log.info("worker_stopped")
    return 0


if __name__ == "__main__":
    sys.exit(main())
