"""Settings as frozen structs, units in their names; read from TOML, overridden by the environment, validated.

Law: a setting that is missing, unknown, of the wrong type or insecure raises BadSettings with a sentence that says
what to write instead, before anything is started. `HONGYAN_STORE__PORT=3310` overrides `port` under `[store]`.
"""

from __future__ import annotations

import os
import ssl
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import msgspec
from msgspec.inspect import StructType

from conf.mistakes import nearest, sentence
from conf.secrets import BadSecret, read_secrets
from conf.values import (
    Addresses,
    Bytes,
    Components,
    Count,
    CountOrZero,
    Directory,
    File,
    FileOrNone,
    Host,
    LifeSeconds,
    Name,
    Networks,
    Origins,
    Port,
    Prefix,
    PromisedSeconds,
    Seconds,
    SecondsOrZero,
    Secret,
    Section,
    Short,
    Text,
    WholeSeconds,
    WholeSecondsOrZero,
    fields_of,
    from_text,
    is_list,
)

PREFIX = "HONGYAN_"
# No settings: the file that the scripts read, and where the programs of the servers are (ops/programs.py).
FILE_VARIABLE = "HONGYAN_CONFIG"
SERVERS_VARIABLE = "HONGYAN_SERVERS"


class BadSettings(Exception):
    """The configuration cannot be used; the message says what to write instead."""


class BusSettings(Section, frozen=True):
    """RabbitMQ. With kind "memory" the other fields do not count. The password comes from the secrets."""

    kind: Literal["rabbitmq", "memory"] = "rabbitmq"
    host: Host = "127.0.0.1"
    port: Port = 5673
    user: Name = "hongyan"
    password: Secret = ""
    virtual_host: Text = "/"
    heartbeat_s: Short = 5
    prefetch: Short = 32


class RouterSettings(Section, frozen=True):
    """Redis. With kind "memory" the other fields do not count.

    Every key begins with `prefix`, so that several deployments can share one Redis: give each its own.
    """

    kind: Literal["redis", "memory"] = "redis"
    host: Host = "127.0.0.1"
    port: Port = 6380
    password: Secret = ""
    prefix: Prefix = "hongyan"


class StoreSettings(Section, frozen=True):
    """MariaDB or MySQL (kind "mysql"), or SQLite in `path`.

    With `tls` "verified" the server's certificate must be for `host` and signed by a CA of the PEM file `tls_ca`, or by
    one that the system trusts; with "off" nothing is encrypted: right for the server that the scripts start.
    """

    kind: Literal["mysql", "sqlite"] = "mysql"
    host: Host = "127.0.0.1"
    port: Port = 3307
    user: Name = "hongyan"
    password: Secret = ""
    database: Name = "hongyan"
    path: File = "standalone/hongyan.sqlite3"
    tls: Literal["off", "verified"] = "off"
    tls_ca: FileOrNone = ""
    connect_timeout_s: Seconds = 3.0
    read_timeout_s: Seconds = 5.0


class TokenSettings(Section, frozen=True):
    """Signs access tokens (HS256); a refresh token lives in the store."""

    secret: Secret = ""
    access_s: WholeSeconds = 7200
    refresh_s: WholeSeconds = 30 * 86400


class GatewaySettings(Section, frozen=True):
    """One gateway's doors and limits. `--port` and `--tcp-port` on the command line give a second gateway its own.

    Of a user there is one connection per `connections_per`, in the whole system. `messages_per_s` and `message_burst`
    are a connection's (over HTTP a session's); one with more than `max_messages_over_rate` refused and not yet forgiven
    at that rate is closed; with 0 the first that is refused closes. While `max_logins` are under way newcomers wait
    outside. Who takes nothing for `slow_s` while more than `max_queued_bytes` wait is closed; who is behind with four
    times as much gets no pushes until it has caught up. `X-Real-IP` is believed where it comes from `trusted_proxies`.
    With `poll_wait_s` 0 a poll is answered within a second, whether anything came or not; with `drain_s` 0 a gateway
    that stops sends all away at once.
    """

    host: Host = "127.0.0.1"
    port: Port = 9001
    tcp_port: Port = 9101
    origins: Origins = ()
    login_timeout_s: Seconds = 10.0
    heartbeat_s: WholeSeconds = 30
    request_timeout_s: Seconds = 5.0
    max_pending: Count = 20_000
    max_pending_per_connection: Count = 2_000
    max_queued_bytes: Bytes = 256 * 1024
    slow_s: Seconds = 10.0
    max_connections: Count = 50_000
    max_logins: Count = 64
    max_connections_per_user: Count = 10
    max_connections_per_address: Count = 200
    connections_per: Literal["user", "terminal", "device", "unlimited"] = "terminal"
    trusted_proxies: Addresses = ("127.0.0.1", "::1")
    messages_per_s: Count = 20
    message_burst: Count = 40
    max_messages_over_rate: CountOrZero = 12_000
    message_timeout_s: Seconds = 30.0
    early_message_timeout_s: Seconds = 10.0
    send_buffer_bytes: Bytes = 64 * 1024
    resync_per_s: Count = 300
    poll_wait_s: SecondsOrZero = 25.0
    poll_idle_s: Seconds = 60.0
    drain_s: SecondsOrZero = 10.0


class LogicSettings(Section, frozen=True):
    """Workers. `threads` is the pool of a parallel worker. While it hashes `hashing_threads` passwords,
    `hashing_waiting` more requests may wait for that; with 0 all others are answered `busy`.
    A sender may take a message back for `recall_s`; with 0 never. A user may be in `max_groups_per_user`, each of which
    is looked at whenever one of its devices syncs. Wrong passwords from `shared_addresses` (addresses or
    networks) are not counted by address, since many come from one, such as a load balancer's.
    """

    threads: Count = 8
    hashing_threads: Count = 2
    hashing_waiting: CountOrZero = 60
    batch_commands: Count = 300
    batch_bytes: Bytes = 1024 * 1024
    recall_s: WholeSecondsOrZero = 120
    max_groups_per_user: Count = 2000
    shared_addresses: Networks = ("127.0.0.1", "::1")


class RetentionSettings(Section, frozen=True):
    """For how long rows are kept that nobody needs any more; each `every_s` a parallel worker looks for them, and
    deletes them in small pieces. Defaults with their reasons: docs/operations.md, "What grows with what".

    `sessions_s` counts from the end of a session, `answers_s` from a write that left no message: the promise of a cid,
    so neither is under 30 days. `left_groups_s` counts from a leave: as long a device that was away still gets what was
    said before it. A mention goes once it was read; `mentions_s` is for those that never are. `friend_requests_s` is
    for requests without an answer, `attempts_s` for counts of what was tried, `dead_letters_s` for the queue `dead`.
    """

    every_s: WholeSeconds = 86_400
    sessions_s: PromisedSeconds = 30 * 86_400
    answers_s: PromisedSeconds = 30 * 86_400
    left_groups_s: WholeSeconds = 90 * 86_400
    mentions_s: WholeSeconds = 365 * 86_400
    friend_requests_s: WholeSeconds = 90 * 86_400
    attempts_s: WholeSeconds = 7 * 86_400
    dead_letters_s: LifeSeconds = 30 * 86_400


class LogSettings(Section, frozen=True):
    """Of each log below `var` that has grown beyond `max_bytes`, what it holds is put aside; `kept` such files stay."""

    max_bytes: Bytes = 20 * 1024 * 1024
    kept: CountOrZero = 5


class ClusterSettings(Section, frozen=True):
    """What scripts/cluster.sh starts by itself, and from which ports on."""

    gateways: Components = 2
    workers: Components = 2
    first_gateway_port: Port = 9001
    first_gateway_tcp_port: Port = 9101
    first_metrics_port: Port = 9201


class StandaloneSettings(Section, frozen=True):
    """The one process of standalone, beside `gateway`. `/readyz` and `/metrics` are at `operations_port`, on loopback
    only: at `gateway.port`, which is the public one here, they are not to be had."""

    operations_port: Port = 8002


class NginxSettings(Section, frozen=True):
    """The public door. With a certificate (PEM files, relative to the working directory) both ports speak TLS.

    Limits are for one client address; `unlimited` are addresses or networks without any, such as a load balancer's.
    """

    host: Host = "127.0.0.1"
    port: Port = 8080
    tcp_port: Port = 8081
    workers: Count = 2
    worker_connections: Count = 16_384
    requests_per_s: Count = 200
    requests_burst: Count = 400
    connections_per_address: Count = 2_000
    tcp_connections_per_address: Count = 2_000
    unlimited: Networks = ("127.0.0.0/8", "::1")
    certificate: FileOrNone = ""
    certificate_key: FileOrNone = ""


class Settings(Section, frozen=True):
    """Everything. `var` holds all state; `partitions` is fixed at the first start (the store remembers it)."""

    mode: Literal["standalone", "cluster"] = "cluster"
    var: Directory = msgspec.field(default_factory=lambda: Path("var").absolute())
    partitions: Count = 8
    bus: BusSettings = BusSettings()
    router: RouterSettings = RouterSettings()
    store: StoreSettings = StoreSettings()
    token: TokenSettings = TokenSettings()
    gateway: GatewaySettings = GatewaySettings()
    logic: LogicSettings = LogicSettings()
    retention: RetentionSettings = RetentionSettings()
    logs: LogSettings = LogSettings()
    cluster: ClusterSettings = ClusterSettings()
    nginx: NginxSettings = NginxSettings()
    standalone: StandaloneSettings = StandaloneSettings()


_SECTIONS = {field.name: field.type for field in fields_of(Settings) if isinstance(field.type, StructType)}


def tls_context(store: StoreSettings) -> ssl.SSLContext | None:
    """How to speak TLS with the store, None for not at all. Raises BadSettings."""
    if store.tls == "off":
        return None
    try:
        return ssl.create_default_context(cafile=store.tls_ca or None)
    except OSError as error:  # ssl.SSLError is one
        raise BadSettings(
            f"store.tls_ca, {store.tls_ca}, cannot be used ({error.strerror or error}): name the PEM file of the CA "
            'that signed the server\'s certificate, or write "" for those that this system trusts.'
        ) from None


def load(path: Path, environment: Mapping[str, str] | None = None) -> Settings:
    """The settings of a TOML file with the environment's overrides and the secrets. Raises BadSettings."""
    tree, variables = _with_environment(_read(path), os.environ if environment is None else environment)
    try:
        settings = msgspec.convert(tree, Settings, strict=False, dec_hook=from_text)
        tls_context(settings.store)
        return _with_secrets(settings)
    except msgspec.ValidationError as error:
        raise BadSettings(sentence(error, Settings, tree, variables)) from None
    except BadSecret as error:
        raise BadSettings(str(error)) from None


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text())
    except OSError as error:
        raise BadSettings(f"{path} cannot be read ({error.strerror}); name a file such as conf/cluster.toml.") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadSettings(f"{path} is not TOML: {error}.") from None


def _with_environment(tree: dict[str, Any], environment: Mapping[str, str]) -> tuple[dict[str, Any], dict[str, str]]:
    """`tree` with what the environment says; and by setting, such as "store.port", the variable that said it."""
    merged = {key: dict(value) if isinstance(value, dict) else value for key, value in tree.items()}
    variables: dict[str, str] = {}
    for variable, text in environment.items():
        if not variable.startswith(PREFIX) or variable in (FILE_VARIABLE, SERVERS_VARIABLE):
            continue
        section, _, key = variable[len(PREFIX) :].lower().partition("__")
        if key and section in _SECTIONS:
            settings = merged.setdefault(section, {})
            if isinstance(settings, dict):
                settings[key] = _split(text) if _is_list(section, key) else text
                variables[f"{section}.{key}"] = variable
        elif not key and section in ("var", "partitions"):
            merged[section] = text
            variables[section] = variable
        else:
            meant = nearest(variable, _variables())
            raise BadSettings(
                f"{variable} names no setting.{meant} Write {PREFIX}SECTION__KEY, such as {PREFIX}STORE__PORT."
            )
    return merged, variables


def _variables() -> list[str]:
    """All variables that name a setting."""
    keys = [f"{section}__{field.name}" for section, type_ in _SECTIONS.items() for field in type_.fields]
    return [f"{PREFIX}{key.upper()}" for key in ("var", "partitions", *keys)]


def _is_list(section: str, key: str) -> bool:
    return any(field.name == key and is_list(field.type) for field in _SECTIONS[section].fields)


def _split(text: str) -> list[str]:
    return [item.strip() for item in text.split(",") if item.strip()]


def _with_secrets(settings: Settings) -> Settings:
    """Fill in what is generated into `var/secrets.toml` at the first start and is written nowhere else."""
    secrets = read_secrets(settings.var)
    changed: dict[str, Section] = {}
    for name in ("bus", "router", "store"):
        section = getattr(settings, name)
        if section.kind not in ("memory", "sqlite"):
            changed[name] = msgspec.structs.replace(section, password=secrets.take(name, section.password))
    secret = secrets.take("token", settings.token.secret)
    return msgspec.structs.replace(settings, token=msgspec.structs.replace(settings.token, secret=secret), **changed)
