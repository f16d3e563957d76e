"""`python -m logic KIND|init --config FILE --name w1 --metrics-port 9201`; logic/workers/kinds.py has the kinds."""

from __future__ import annotations

import argparse
import sys
import threading
from pathlib import Path

import structlog

from conf.settings import Settings, load_or_exit
from logic import app
from logic.health import serve_health
from logic.workers.kinds import KINDS, WorkerKind
from process.gc_tuning import tune_garbage_collector
from process.logs import configure_logs
from process.private_files import write_for_us_only
from process.signals import stop_thread_on_signals
from process.supervision import recent_failures, run_again
from store import meta
from store.errors import Contention, StoreAway, StoreError, WrongPartitions

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


def _worker(settings: Settings, kind: WorkerKind, name: str, stopping: threading.Event) -> app.Worker:
    bus = app.rabbit_bus(settings, kind, stopping)
    return app.make_worker(kind, settings, name, bus, app.redis_resolver(settings), stopping)


def _wait_for_store(settings: Settings, stopping: threading.Event) -> None:
    """Return when the store answers, its tables are there and it was asked for its partitions, or when `stopping` is
    set. Raises WrongPartitions; StoreError where repeating does not help."""
    database = app.open_store(settings, connections=1, read_timeout_s=MIGRATION_S)
    said = ""
    try:
        while not stopping.is_set():
            try:
                meta.initialise(database, settings.partitions)
                return
            except (StoreAway, Contention) as error:  # contention: other workers make their first start, too
                if str(error) != said:
                    said = str(error)
                    log.warning("store_away", error=said)
                stopping.wait(STORE_RETRY_S)
    finally:
        database.close()


def main() -> int:
    """Run one worker until it is asked to stop. Returns the exit code: 0, 1 where it cannot serve, 2 where the
    configuration is wrong."""
    write_for_us_only()
    arguments = _arguments()
    settings = load_or_exit("logic", arguments.config)
    configure_logs(arguments.name)
    stopping = stop_thread_on_signals()
    try:
        _wait_for_store(settings, stopping)
        if arguments.kind != "init" and not stopping.is_set():
            _serve(settings, arguments, stopping)
    except WrongPartitions as wrong:
        print(f"logic: {wrong}", file=sys.stderr)
        return 2
    except (StoreError, OSError) as error:
        print(f"logic: {getattr(error, 'strerror', None) or error}", file=sys.stderr)
        return 1
    return 0


def _serve(settings: Settings, arguments: argparse.Namespace, stopping: threading.Event) -> None:
    """Raises OSError where the port of its figures is taken, StoreError where the store went away meanwhile."""
    worker = _worker(settings, KINDS[arguments.kind], arguments.name, stopping)
    is_ready = lambda: worker.is_ready and not recent_failures()  # noqa: E731
    stop_health = serve_health("127.0.0.1", arguments.metrics_port, arguments.name, is_ready)
    log.info("worker_started", kind=arguments.kind, metrics_port=arguments.metrics_port)
    tune_garbage_collector()
    run_again(arguments.name, worker.run, stopping)
    stop_health()
    log.info("worker_stopped")


if __name__ == "__main__":
    sys.exit(main())
