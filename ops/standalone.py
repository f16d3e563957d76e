"""`scripts/standalone.sh`: the whole system in one process, in the foreground or in the background.

Exit codes: 0 fine, 1 failed (for status: not up), 2 wrong usage.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path
from typing import NoReturn

from conf.mistakes import BadSettings
from conf.settings import Settings, load
from ops.ports import LOOPBACK, Port, check
from ops.probes import answers_http, reachable
from ops.processes import DEAD, DOWN, UP, Process, ProcessFailed
from ops.run_environment import as_recorded, as_started, forget, our_environment, refuse_changes, remember
from ops.templates import ROOT
from process.private_files import keep_for_us_only, write_for_us_only
from process.signals import die_of_stop_signals, hold_stop_signals
from protocol.addresses import socket_place

CONFIG = ROOT / "conf" / "standalone.toml"
SYSTEM = "standalone"
READY_S = 30.0
FAILED = 1
MEANING = {
    DOWN: ": not started, or stopped; scripts/standalone.sh starts it",
    DEAD: ": it ended without being asked to; scripts/standalone.sh starts it again",
}


def parse(words: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="scripts/standalone.sh",
        description="Hongyan in one process: bus and router in memory, the store in SQLite under var/.",
    )
    parser.add_argument(
        "verb",
        nargs="?",
        default="run",
        choices=("run", "start", "stop", "status"),
        help="run: in the foreground until Ctrl-C (the default); start, stop, status: in the background",
    )
    return parser.parse_args(words)


def load_running(config: Path = CONFIG, *, tell: bool = True) -> Settings:
    """The settings of the standalone that runs; where none does, of the next one that is started. With `tell`, settings
    of ours that differ from those of its start are named on standard error. Raises BadSettings."""
    settings = load(config, our_environment())
    if standalone_process(settings).pid is None:
        return settings
    return load(config, as_started(config, SYSTEM, our_environment(), tell=tell))


def load_recorded(config: Path = CONFIG) -> Settings:
    """The settings of the standalone that runs, whatever our environment says beside; where none does, of the next one.
    Raises BadSettings."""
    settings = load(config, our_environment())
    if standalone_process(settings).pid is None:
        return settings
    return load(config, as_recorded(config, SYSTEM, our_environment()))


def command() -> list[str]:
    """The words that serve in the background."""
    return [sys.executable, str(ROOT / "standalone.py"), "--config", str(CONFIG)]


def foreground_command(process: Process) -> list[str]:
    """The words that serve in the foreground and tidy up at the end, because no `stop` will."""
    options = ["--config", str(CONFIG), "--pid-file", str(process.pid_file)]
    return [sys.executable, "-m", "ops.foreground", *options]


def address(settings: Settings) -> str:
    return f"http://{socket_place(reachable(settings.gateway.host), settings.gateway.port)}"


def standalone_process(settings: Settings) -> Process:
    return Process(
        SYSTEM,
        command,
        settings.var,
        lambda: answers_http(f"http://{LOOPBACK}:{settings.standalone.operations_port}/readyz"),
        env=our_environment(),
        cwd=ROOT,
        port=settings.gateway.port,
    )


def run(settings: Settings, process: Process) -> int:
    """Serve in the foreground, unless it runs already."""
    if process.pid is None:
        _check_ports(settings)
        remember(settings.var, SYSTEM, os.environ)
        hold_stop_signals()
        print("starting; Ctrl-C stops it", flush=True)
        _become_the_server(settings, process)
    print(f"Hongyan runs already (pid {process.pid}): {address(settings)}")
    return 0


def _become_the_server(settings: Settings, process: Process) -> NoReturn:
    """Signals then reach it directly. A short-lived child says when it serves."""
    process.record(os.getpid())  # exec keeps the pid
    child = os.fork()
    if child == 0:
        if os.fork() == 0:
            die_of_stop_signals()  # Ctrl-C reaches it, too
            _announce(settings, process)
        os._exit(0)
    os.waitpid(child, 0)
    os.chdir(ROOT)
    os.execve(sys.executable, foreground_command(process), our_environment())


def start(settings: Settings, process: Process) -> int:
    if process.pid is None:
        _check_ports(settings)
        remember(settings.var, SYSTEM, os.environ)
    started = process.start()
    process.await_ready(READY_S)
    print(_welcome(settings) if started else f"Hongyan runs already (pid {process.pid}): {address(settings)}")
    print(f"log: {process.log}" if process.is_logged else "its log is in the terminal where it runs in the foreground")
    print("stop it with scripts/standalone.sh stop")
    return 0


def status(settings: Settings, process: Process) -> int:
    state = process.state
    more = f" (pid {process.pid}): {address(settings)}" if process.pid else MEANING.get(state, "")
    print(f"standalone {state}{more}")
    return 0 if state == UP else FAILED


def _announce(settings: Settings, process: Process) -> None:
    """Say once that it serves; silent when it died, because it has said why."""
    try:
        process.await_ready(READY_S)
        print(_welcome(settings), flush=True)
    except ProcessFailed:
        if process.pid is not None:
            print(f"it does not serve after {READY_S:.0f} s", file=sys.stderr, flush=True)


def _welcome(settings: Settings) -> str:
    chat = Path("scripts/chat.sh")
    how = f"\nchat: {chat} alice --to bob" if (ROOT / chat).exists() else ""
    return f"Hongyan is ready: {address(settings)}{how}"


def _check_ports(settings: Settings) -> None:
    gateway, operations = settings.gateway, settings.standalone.operations_port
    check(
        (
            Port("HTTP", gateway.host, gateway.port, "HONGYAN_GATEWAY__PORT"),
            Port("TCP", gateway.host, gateway.tcp_port, "HONGYAN_GATEWAY__TCP_PORT"),
            Port("operations", LOOPBACK, operations, "HONGYAN_STANDALONE__OPERATIONS_PORT"),
        )
    )


def main(words: list[str]) -> int:
    write_for_us_only()
    options = parse(words)
    try:
        starts = options.verb in ("run", "start")
        settings = load_recorded() if options.verb == "status" else load_running(tell=not starts)
        process = standalone_process(settings)
        keep_for_us_only(settings.var)
        if starts and process.pid is not None:
            refuse_changes(CONFIG, SYSTEM, our_environment(), "scripts/standalone.sh stop")
        if options.verb == "stop":
            print("stopped" if process.stop() else "it did not run")
            forget(settings.var, SYSTEM)
            return 0
        verbs = {"run": run, "start": start, "status": status}
        return verbs[options.verb](settings, process)
    except KeyboardInterrupt:
        print("interrupted; scripts/standalone.sh stop stops what was started", file=sys.stderr)
        return FAILED
    except (BadSettings, ProcessFailed, OSError) as error:
        print(f"scripts/standalone.sh: {error}", file=sys.stderr)
        return FAILED


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
