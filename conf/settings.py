"""Settings as frozen dataclasses, units in their names; read from TOML, overridden by the environment, validated.

Law: a setting that is missing, unknown, of the wrong type or insecure raises BadSettings with a sentence that says
what to write instead, before anything is started. `HONGYAN_STORE__PORT=3310` overrides `port` under `[store]`.
"""

from __future__ import annotations

import dataclasses
import math
import os
import tomllib
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from conf.secrets import BadSecret, read_secrets

PREFIX = "HONGYAN_"
MODES = ("standalone", "cluster", "production")
# The file that the scripts read; no setting of its own.
FILE_VARIABLE = "HONGYAN_CONFIG"


class BadSettings(Exception):
    """The configuration cannot be used; the message says what to write instead."""


@dataclass(frozen=True)
class BusSettings:
    """RabbitMQ. With kind "memory" the other fields do not count. The password comes from the secrets."""

    kind: str = "rabbitmq"
    host: str = "127.0.0.1"
    port: int = 5673
    user: str = "hongyan"
    password: str = field(default="", repr=False)
    virtual_host: str = "/"
    heartbeat_s: int = 5
    prefetch: int = 32


@dataclass(frozen=True)
class RouterSettings:
    """Redis. With kind "memory" the other fields do not count."""

    kind: str = "redis"
    host: str = "127.0.0.1"
    port: int = 6380
    password: str = field(default="", repr=False)


@dataclass(frozen=True)
class StoreSettings:
    """MariaDB or MySQL (kind "mysql"), or SQLite in `path`. `connections` bounds the pool of one process."""

    kind: str = "mysql"
    host: str = "127.0.0.1"
    port: int = 3307
    user: str = "hongyan"
    password: str = field(default="", repr=False)
    database: str = "hongyan"
    path: str = ""
    connections: int = 12
    connect_timeout_s: float = 3.0
    read_timeout_s: float = 5.0


@dataclass(frozen=True)
class TokenSettings:
    """Signs access tokens (HS256); a refresh token lives in the store."""

    secret: str = field(default="", repr=False)
    access_s: int = 7200
    refresh_s: int = 30 * 86400


@dataclass(frozen=True)
class GatewaySettings:
    """One gateway's doors and limits. `--port` and `--tcp-port` on the command line give a second gateway its own.

    Of a user there is one connection per `connections_per`, in the whole system. `messages_per_s` and `message_burst`
    are a connection's (over HTTP a session's); one with more than `max_messages_over_rate` refused and not yet forgiven
    at that rate is closed. While `max_logins` are under way newcomers wait outside. `X-Real-IP` is believed where it
    comes from `trusted_proxies`.
    """

    host: str = "127.0.0.1"
    port: int = 9001
    tcp_port: int = 9101
    origins: tuple[str, ...] = ()
    login_timeout_s: float = 10.0
    heartbeat_s: int = 30
    request_timeout_s: float = 5.0
    max_pending: int = 20_000
    max_pending_per_connection: int = 2_000
    max_queued_bytes: int = 256 * 1024
    max_connections: int = 50_000
    max_logins: int = 64
    max_connections_per_user: int = 10
    max_connections_per_address: int = 200
    connections_per: str = "terminal"
    trusted_proxies: tuple[str, ...] = ("127.0.0.1",)
    messages_per_s: int = 20
    message_burst: int = 40
    max_messages_over_rate: int = 12_000
    message_timeout_s: float = 30.0
    early_message_timeout_s: float = 10.0
    send_buffer_bytes: int = 64 * 1024
    resync_per_s: int = 300
    poll_wait_s: float = 25.0
    poll_idle_s: float = 60.0
    drain_s: float = 10.0


@dataclass(frozen=True)
class LogicSettings:
    """Workers. `threads` is the pool of a parallel worker; `recall_s` how long a sender may take a message back."""

    threads: int = 8
    hashing_threads: int = 2
    hashing_waiting: int = 20
    batch_commands: int = 300
    batch_bytes: int = 1024 * 1024
    recall_s: int = 120


@dataclass(frozen=True)
class ClusterSettings:
    """What scripts/cluster.sh starts by itself, and from which ports on."""

    gateways: int = 2
    workers: int = 2
    first_gateway_port: int = 9001
    first_gateway_tcp_port: int = 9101
    first_metrics_port: int = 9201


@dataclass(frozen=True)
class NginxSettings:
    """The public door. With a certificate (PEM files, relative to the working directory) both ports speak TLS.

    Limits are for one client address; `unlimited` are addresses or networks without any, such as a load balancer's.
    """

    host: str = "127.0.0.1"
    port: int = 8080
    tcp_port: int = 8081
    workers: int = 2
    worker_connections: int = 16_384
    requests_per_s: int = 200
    requests_burst: int = 400
    connections_per_address: int = 2_000
    tcp_connections_per_address: int = 2_000
    unlimited: tuple[str, ...] = ("127.0.0.0/8", "::1")
    certificate: str = ""
    certificate_key: str = ""


@dataclass(frozen=True)
class Settings:
    """Everything. `var` holds all state; `partitions` is fixed at the first start (the store remembers it)."""

    mode: str
    var: Path
    partitions: int = 8
    bus: BusSettings = BusSettings()
    router: RouterSettings = RouterSettings()
    store: StoreSettings = StoreSettings()
    token: TokenSettings = TokenSettings()
    gateway: GatewaySettings = GatewaySettings()
    logic: LogicSettings = LogicSettings()
    cluster: ClusterSettings = ClusterSettings()
    nginx: NginxSettings = NginxSettings()


_SECTIONS = {f.name: type(f.default) for f in dataclasses.fields(Settings) if dataclasses.is_dataclass(f.default)}
MAX_PORT = 65_535
CONNECTIONS_PER = ("user", "terminal", "device", "unlimited")
_KINDS = {"bus": ("rabbitmq", "memory"), "router": ("redis", "memory"), "store": ("mysql", "sqlite")}


def _typed(where: str, wanted: Any, value: Any) -> Any:
    """`value` as the field's type; text (from the environment) is read as that type."""
    if typing.get_origin(wanted) is tuple:
        items = value.split(",") if isinstance(value, str) else value
        if isinstance(items, list) and all(isinstance(item, str) for item in items):
            return tuple(item.strip() for item in items if item.strip())
        raise BadSettings(f'{where} must be a list of strings, such as ["https://chat.example.com"], not {value!r}.')
    if isinstance(value, str) and wanted in (int, float):
        try:
            value = wanted(value)
        except ValueError:
            raise BadSettings(f"{where} must be a number, not {value!r}.") from None
    if wanted is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not wanted:
        raise BadSettings(f"{where} must be of type {wanted.__name__}, not {value!r}.")
    if wanted in (int, float) and not 0 < value < math.inf:
        raise BadSettings(f"{where} must be greater than 0 and finite, not {value!r}.")
    if where.endswith("port") and value > MAX_PORT:
        raise BadSettings(f"{where} must be a port, 1 to {MAX_PORT}, not {value!r}.")
    return value


def _section(name: str, kind: type, values: Mapping[str, Any]) -> Any:
    hints = typing.get_type_hints(kind)
    unknown = sorted(set(values) - set(hints))
    if unknown:
        raise BadSettings(f"[{name}] has no setting {unknown[0]!r}; it has {', '.join(sorted(hints))}.")
    return kind(**{key: _typed(f"{name}.{key}", hints[key], value) for key, value in values.items()})


def _with_environment(tree: dict[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    merged = {key: dict(value) if isinstance(value, dict) else value for key, value in tree.items()}
    for variable, value in environment.items():
        if not variable.startswith(PREFIX) or variable == FILE_VARIABLE:
            continue
        section, _, key = variable[len(PREFIX) :].lower().partition("__")
        if key and section in _SECTIONS:
            merged.setdefault(section, {})[key] = value
        elif not key and section in ("var", "partitions"):
            merged[section] = value
        else:
            raise BadSettings(f"{variable} names no setting; write {PREFIX}SECTION__KEY, such as {PREFIX}STORE__PORT.")
    return merged


def _with_secrets(settings: Settings) -> Settings:
    """Fill in what is generated into `var/secrets.toml` at the first start and is written nowhere else."""
    needed = {"token"} | {name for name in _KINDS if getattr(settings, name).kind not in ("memory", "sqlite")}
    secrets = read_secrets(settings.var)
    changes: dict[str, Any] = {}
    for section in sorted(needed):
        key = "secret" if section == "token" else "password"
        current = getattr(settings, section)
        changes[section] = dataclasses.replace(current, **{key: secrets.take(section, getattr(current, key))})
    return dataclasses.replace(settings, **changes)


def load(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of a TOML file with the environment's overrides and the secrets. Raises BadSettings."""
    try:
        tree = tomllib.loads(path.read_text())
    except OSError as error:
        raise BadSettings(f"{path} cannot be read ({error.strerror}); name a file such as conf/cluster.toml.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings(f"{path} is not TOML: {error}.") from None
    tree = _with_environment(tree, os.environ if environment is None else environment)
    for name, value in tree.items():
        if name in _SECTIONS and not isinstance(value, dict):
            raise BadSettings(f"{name} must be a section [{name}].")
    sections = {name: _section(name, kind, tree.pop(name)) for name, kind in _SECTIONS.items() if name in tree}
    unknown = sorted(set(tree) - {"mode", "var", "partitions"})
    if unknown:
        raise BadSettings(f"there is no setting or section {unknown[0]!r}; the sections are {', '.join(_SECTIONS)}.")
    settings = Settings(
        mode=_typed("mode", str, tree.get("mode", "cluster")),
        var=Path(_typed("var", str, tree.get("var", "var"))).absolute(),
        partitions=_typed("partitions", int, tree.get("partitions", 8)),
        **sections,
    )
    if settings.mode not in MODES:
        raise BadSettings(f"mode must be one of {', '.join(MODES)}, not {settings.mode!r}.")
    for name, kinds in _KINDS.items():
        if getattr(settings, name).kind not in kinds:
            raise BadSettings(f"{name}.kind must be one of {', '.join(kinds)}, not {getattr(settings, name).kind!r}.")
    if settings.gateway.connections_per not in CONNECTIONS_PER:
        per = settings.gateway.connections_per
        raise BadSettings(f"gateway.connections_per must be one of {', '.join(CONNECTIONS_PER)}, not {per!r}.")
    try:
        return _with_secrets(settings)
    except BadSecret as error:
        raise BadSettings(str(error)) from None
