"""The private servers: they serve, they are private, and whoever is killed or stopped comes back."""

from __future__ import annotations

import ipaddress
from pathlib import Path

import pika
import psutil
import pymysql
import pytest
import redis
from msgspec.structs import replace

from conf.sections import BusSettings, StoreSettings
from ops.processes import ProcessFailed
from ops.servers.mariadb import socket_path
from ops.servers.rabbitmq import evaluate, internal_ports, rabbitmq_serves
from ops.servers.redis import redis_serves
from tests.bus_fabric import on_channel
from tests.private_servers import PrivateServers

NAMES = ("rabbitmq", "redis", "mariadb")


def publish_and_get(bus: BusSettings) -> bytes:
    credentials = pika.PlainCredentials(bus.user, bus.password)
    parameters = pika.ConnectionParameters(bus.host, bus.port, bus.virtual_host, credentials)
    with pika.BlockingConnection(parameters) as connection:
        channel = connection.channel()
        channel.queue_declare("greetings", exclusive=True)
        channel.basic_publish("", "greetings", b"hello")
        body: bytes = channel.basic_get("greetings", auto_ack=True)[2]
        return body


def connect(store: StoreSettings) -> pymysql.Connection[pymysql.cursors.Cursor]:
    return pymysql.connect(
        host=store.host, port=store.port, user=store.user, password=store.password, database=store.database
    )


def listeners(ports: set[int]) -> dict[int, set[str]]:
    """The addresses at which somebody listens on `ports`, of IPv4 and IPv6."""
    found: dict[int, set[str]] = {port: set() for port in ports}
    for end in psutil.net_connections("tcp"):
        if end.status == psutil.CONN_LISTEN and end.laddr.port in found:
            found[end.laddr.port].add(end.laddr.ip)
    return found


def _is_loopback(text: str) -> bool:
    address = ipaddress.ip_address(text)
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def test_all_are_up_and_carry_something(servers: PrivateServers) -> None:
    servers.up()
    assert [servers.process(name).state for name in NAMES] == ["up", "up", "up"]
    assert publish_and_get(servers.settings.bus) == b"hello"
    router = servers.settings.router
    with redis.Redis(router.host, router.port, password=router.password) as client:
        client.set("greeting", "hello")
        servers.flush_redis()
        assert client.get("greeting") is None


def test_only_loopback_is_listened_on(servers: PrivateServers) -> None:
    servers.up()
    settings = servers.settings
    ports = {settings.bus.port, settings.router.port, settings.store.port, *internal_ports(settings.bus.port)}
    for port, addresses in listeners(ports).items():
        assert addresses, f"nobody listens on {port}"
        outside = [text for text in addresses if not _is_loopback(text)]
        assert not outside, f"{port} is reachable from outside: {outside}"


def test_a_wrong_password_is_refused_everywhere(servers: PrivateServers) -> None:
    servers.up()
    settings = servers.settings
    with pytest.raises(ProcessFailed, match="refuses the user"):
        rabbitmq_serves(replace(settings.bus, password="another"))
    with pytest.raises(ProcessFailed, match="refuses the user"):
        rabbitmq_serves(replace(settings.bus, user="guest", password="guest"))
    with pytest.raises(ProcessFailed, match="refuses the virtual host '/none'"):
        rabbitmq_serves(replace(settings.bus, virtual_host="/none"))
    with pytest.raises(ProcessFailed, match="refuses the password"):
        redis_serves(replace(settings.router, password="another"))
    with pytest.raises(pymysql.err.OperationalError):
        pymysql.connect(host=settings.store.host, port=settings.store.port, user=settings.store.user, password="no")


def test_no_password_is_seen_in_a_command_line_or_a_log(servers: PrivateServers) -> None:
    servers.up()
    settings = servers.settings
    secrets = [settings.bus.password, settings.router.password, settings.store.password]
    for name in NAMES:
        process = servers.process(name)
        seen = " ".join(psutil.Process(process.pid).cmdline()) + process.log.read_text()
        assert not [secret for secret in secrets if secret in seen], name
    assert not (settings.var / "run" / "mariadb-init.sql").exists()


def test_every_fresh_database_is_empty_and_the_users_own(servers: PrivateServers) -> None:
    servers.up()
    first, second = servers.fresh_database(), servers.fresh_database()
    assert first.database != second.database
    with connect(first) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE letters (id INT PRIMARY KEY)")
    with connect(second) as connection, connection.cursor() as cursor:
        assert cursor.execute("SHOW TABLES") == 0
        with pytest.raises(pymysql.err.OperationalError):
            cursor.execute("SELECT * FROM mysql.global_priv")


def test_the_store_runs_with_the_settings_that_the_design_needs(servers: PrivateServers) -> None:
    servers.up()
    wanted = {
        "innodb_flush_log_at_trx_commit": "1",
        "innodb_lock_wait_timeout": "2",
        "local_infile": "OFF",
        "max_connections": "300",
        "character_set_server": "utf8mb4",
    }
    with connect(servers.fresh_database()) as connection, connection.cursor() as cursor:
        cursor.execute("SHOW GLOBAL VARIABLES")
        actual = dict(cursor.fetchall())
    assert actual.get("idle_transaction_timeout", "3") == "3", "MySQL has none: the store bounds its own transactions"
    assert actual.get("transaction_isolation", actual.get("tx_isolation")) == "READ-COMMITTED"
    assert {name: actual[name] for name in wanted} == wanted


def test_a_fresh_bus_has_no_queue_of_another(servers: PrivateServers) -> None:
    servers.up()
    bus = servers.fresh_bus()
    assert bus.virtual_host != servers.settings.bus.virtual_host
    assert publish_and_get(bus) == b"hello"


def test_the_broker_refuses_what_newer_ones_refuse(servers: PrivateServers) -> None:
    """So that nothing of ours comes to need it again. RabbitMQ 3.10 knows nothing of it."""
    servers.up()
    asked = "[catch rabbit_deprecated_features:is_permitted(F) || F <- [global_qos, transient_nonexcl_queues]]."
    permitted = evaluate(servers.settings.bus, servers.settings.var, asked)
    if "undef" not in permitted:
        assert permitted.splitlines()[-1] == "[false,false]"
        with pytest.raises(pika.exceptions.AMQPError):
            on_channel(servers.fresh_bus(), lambda channel: channel.queue_declare("transient", durable=False))


@pytest.mark.parametrize("name", NAMES)
def test_a_killed_server_is_dead_and_starts_again(servers: PrivateServers, name: str) -> None:
    servers.up()
    before = servers.process(name).pid
    servers.kill(name)
    assert servers.process(name).state == "dead"
    servers.start(name)
    assert servers.process(name).state == "up"
    assert servers.process(name).pid != before


@pytest.mark.parametrize("name", NAMES)
def test_a_stopped_server_answers_again_after_cont(servers: PrivateServers, name: str) -> None:
    servers.up()
    servers.stop(name)
    assert servers.process(name).state == "stopped"
    servers.cont(name)
    servers.process(name).await_ready(30)
    assert servers.process(name).state == "up"


def test_what_is_committed_outlives_a_kill(servers: PrivateServers) -> None:
    servers.up()
    store = servers.fresh_database()
    with connect(store) as connection, connection.cursor() as cursor:
        cursor.execute("CREATE TABLE letters (text VARCHAR(10))")
        cursor.execute("INSERT INTO letters VALUES ('kept')")
        connection.commit()
    servers.kill("mariadb")
    servers.start("mariadb")
    with connect(store) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT text FROM letters")
        assert cursor.fetchall() == (("kept",),)


def test_the_administrators_socket_fits_into_an_address_however_deep_var_is() -> None:
    deep = Path("/") / "/".join(["checkout"] * 20) / "var"
    assert len(str(socket_path(deep))) <= 103
    assert socket_path(deep) != socket_path(deep / "var")
    assert socket_path(Path("/srv/var")) == Path("/srv/var/run/mariadb.sock")


def test_looking_at_the_broker_leaves_nothing_in_its_log(servers: PrivateServers) -> None:
    servers.up()
    log = servers.process("rabbitmq").log
    before = log.read_text()
    assert servers.process("rabbitmq").state == "up"
    assert log.read_text() == before
