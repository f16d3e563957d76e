"""A private RabbitMQ with an epmd of its own, both on loopback only; nothing of the system's is read or written.

The Erlang port mapper would otherwise be started by RabbitMQ as a daemon that outlives it and is shared with the
system's own; here it is one more tracked process on a port of its own.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from bus.rabbit import probe
from bus.rabbit.topology import RabbitAddress
from conf.sections import BusSettings
from conf.values import MAX_PORT
from ops.ports import ephemeral_ports
from ops.probes import accepts
from ops.processes import Process, ProcessFailed
from ops.programs import find_program, plain_environment
from ops.templates import fill_template, write_private

NODE = "hongyan@localhost"
LOWEST = 1024  # below it only root may listen
DISTANCES = (20_000, -10_000, -30_000)
PROGRAMS = ("/usr/lib/rabbitmq/bin", "/opt/homebrew/opt/rabbitmq/sbin", "/usr/local/opt/rabbitmq/sbin")
# Half of the cores: what it carries are a few large messages, and each scheduler more is one more to wake.
SCHEDULERS = max(1, (os.cpu_count() or 1) // 2)
# What newer versions refuse by themselves, all that know these features are to refuse; older ones read over it.
DENIED = "[{rabbit, [{permit_deprecated_features, #{global_qos => false, transient_nonexcl_queues => false}}]}].\n"
TOO_OLD = "failed_to_initialize_feature_flags_registry"
ERLANG = (
    f"+S {SCHEDULERS}:{SCHEDULERS} +sbwt none +sbwtdcpu none +sbwtdio none "
    "-start_epmd false -kernel inet_dist_use_interface {127,0,0,1}"
)


def internal_ports(port: int) -> tuple[int, int]:
    """The ports of Erlang's distribution and of epmd, derived from the AMQP port: two that the system does not give to
    outgoing connections, at one of some distances or else anywhere; where it gives all away, at the first distance."""
    given = ephemeral_ports()

    def is_good(base: int) -> bool:
        return base not in given and base + 1 not in given and port not in (base, base + 1)

    near = [port + distance for distance in DISTANCES if LOWEST <= port + distance < MAX_PORT]
    good = list(filter(is_good, near)) or list(filter(is_good, range(LOWEST, MAX_PORT)))
    base = near[0] if not good else good[0] if good[0] in near else good[port % len(good)]
    return base, base + 1


def epmd_process(settings: BusSettings, var: Path) -> Process:
    _, epmd_port = internal_ports(settings.port)
    return Process(
        "epmd",
        lambda: [find_program("epmd"), "-address", "127.0.0.1", "-port", str(epmd_port)],
        var,
        lambda: accepts("127.0.0.1", epmd_port),
        env=plain_environment(),
        port=epmd_port,
    )


def rabbitmq_process(settings: BusSettings, var: Path) -> Process:
    """RabbitMQ on `settings.port`; its configuration is written at each start, its data stays."""
    directory = var / "rabbitmq"

    def command() -> list[str]:
        values = {name: getattr(settings, name) for name in ("port", "user", "password", "virtual_host")}
        fill_template("rabbitmq.conf", directory / "rabbitmq.conf", values)
        write_private(directory / "advanced.config", DENIED)
        write_private(directory / "enabled_plugins", "[].\n")
        write_private(directory / "env.conf", "")
        return [_program("rabbitmq-server")]

    return Process(
        "rabbitmq",
        command,
        var,
        lambda: rabbitmq_serves(settings),
        env=_environment(settings, directory),
        port=settings.port,
        stop_s=30.0,
        reasons={TOO_OLD: _too_old(directory / "mnesia")},
    )


def _too_old(data: Path) -> str:
    return (
        f"RabbitMQ's data in {data} was made by a version too old for the one that is installed now. Stop everything "
        "and remove that directory: it holds only commands without an answer, which clients send again, and the queue "
        "`dead`. Who needs that starts the former version once more and reads it first."
    )


def rabbitmq_serves(settings: BusSettings) -> bool:
    """Whether it lets us in; False while it is not there yet. Raises ProcessFailed where waiting cannot help."""
    address = RabbitAddress(settings.host, settings.port, settings.user, settings.password, settings.virtual_host)
    try:
        return probe.serves(address)
    except probe.AccessRefused as refused:
        raise ProcessFailed(
            f"RabbitMQ on port {settings.port} refuses {refused}: its data was made with another password or "
            "configuration. Stop it and remove its data directory, or give back the secrets it was made with."
        ) from None


def evaluate(settings: BusSettings, var: Path, expression: str) -> str:
    """What an Erlang expression gives inside the running broker. Raises ProcessFailed."""
    done = subprocess.run(
        [_program("rabbitmqctl"), "--quiet", "eval", expression],
        check=False,
        env=_environment(settings, var / "rabbitmq"),
        capture_output=True,
        text=True,
        timeout=60,
    )
    if done.returncode != 0:
        raise ProcessFailed(f"rabbitmqctl failed: {done.stderr.strip() or done.stdout.strip()}")
    return done.stdout.strip()


def _program(name: str) -> str:
    return find_program(*(f"{directory}/{name}" for directory in PROGRAMS), name)


def _environment(settings: BusSettings, directory: Path) -> dict[str, str]:
    distribution_port, epmd_port = internal_ports(settings.port)
    data = directory / "mnesia"
    return plain_environment(
        HOME=str(directory),  # holds the Erlang cookie
        detached="1",  # the script then becomes the broker instead of watching over it
        ERL_EPMD_PORT=str(epmd_port),
        ERL_EPMD_ADDRESS="127.0.0.1",
        ERL_CRASH_DUMP_SECONDS="0",
        RABBITMQ_NODENAME=NODE,
        RABBITMQ_DIST_PORT=str(distribution_port),
        RABBITMQ_CONF_ENV_FILE=str(directory / "env.conf"),
        RABBITMQ_CONFIG_FILE=str(directory / "rabbitmq.conf"),
        RABBITMQ_ADVANCED_CONFIG_FILE=str(directory / "advanced.config"),
        RABBITMQ_ENABLED_PLUGINS_FILE=str(directory / "enabled_plugins"),
        RABBITMQ_MNESIA_BASE=str(data),
        RABBITMQ_MNESIA_DIR=str(data / "node"),
        RABBITMQ_GENERATED_CONFIG_DIR=str(directory / "generated"),
        RABBITMQ_PLUGINS_EXPAND_DIR=str(directory / "plugins"),
        RABBITMQ_LOG_BASE=str(directory / "log"),
        RABBITMQ_LOGS="-",
        RABBITMQ_PID_FILE=str(directory / "broker.pid"),
        RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS=ERLANG,
    )
