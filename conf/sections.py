"""The sections of the configuration: every setting with its unit, default and meaning."""

from __future__ import annotations

from typing import Literal

from conf.values import (
    Addresses,
    Bytes,
    Components,
    Count,
    CountOrZero,
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
)


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
