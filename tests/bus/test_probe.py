"""A look at RabbitMQ: a refusal is told apart from a broker that is not there yet, or going."""

from __future__ import annotations

import dataclasses
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from bus.rabbit.probe import WHOLE_S, AccessRefused, serves
from bus.rabbit.topology import RabbitAddress
from tests.bus_fabric import rabbit_address
from tests.private_servers import PrivateServers, free_ports

PROTOCOL_HEADER = b"AMQP\0\0\x09\x01"


@pytest.fixture
def address(servers: PrivateServers) -> Iterator[RabbitAddress]:
    servers.up()
    yield rabbit_address(servers.settings.bus)
    servers.up()


def greeting(address: RabbitAddress) -> bytes:
    """The broker's first frame, connection.start."""
    with socket.create_connection((address.host, address.port)) as connection, connection.makefile("rwb") as stream:
        stream.write(PROTOCOL_HEADER)
        stream.flush()
        head = stream.read(7)
        return bytes(head + stream.read(int.from_bytes(head[3:7], "big") + 1))


@contextmanager
def hangs_up_after(frames: list[bytes]) -> Iterator[int]:
    """The port of a broker that sends these, one for each thing it is told, and then hangs up."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                for frame in frames:
                    connection.recv(65_536)
                    connection.sendall(frame)
                connection.recv(65_536)

        thread = threading.Thread(target=serve)
        thread.start()
        yield listening.getsockname()[1]
        thread.join()


def test_one_that_serves_does(address: RabbitAddress) -> None:
    assert serves(address)


def test_what_it_refuses_is_named(address: RabbitAddress) -> None:
    with pytest.raises(AccessRefused, match="the user 'hongyan'"):
        serves(dataclasses.replace(address, password="another"))
    with pytest.raises(AccessRefused, match="the virtual host '/none'"):
        serves(dataclasses.replace(address, virtual_host="/none"))


def test_one_that_hangs_up_during_the_login_refuses_nobody(address: RabbitAddress) -> None:
    for frames in ([], [greeting(address)]):
        with hangs_up_after(frames) as port:
            assert serves(dataclasses.replace(address, port=port)) is False


def test_nobody_listens(address: RabbitAddress) -> None:
    assert serves(dataclasses.replace(address, port=free_ports()["bus"])) is False


def test_one_that_stands_still_is_given_up(servers: PrivateServers, address: RabbitAddress) -> None:
    servers.stop("rabbitmq")
    begun = time.monotonic()
    assert serves(address) is False
    assert time.monotonic() - begun < WHOLE_S + 1
