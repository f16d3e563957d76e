"""How often RabbitMQ is written to, and so woken. Pins how pika hands over its frames (bus/rabbit/writes.py)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bus.interface import Put
from tests.bus_fabric import Fabric, numbered
from tests.private_servers import PrivateServers

QUEUE = "ordered.0"
TO_GATEWAY = "gateway.g1.e1.1"


@pytest.fixture
async def fabric(servers: PrivateServers) -> AsyncIterator[Fabric]:
    fabric = Fabric(servers.settings.bus)
    yield fabric
    await fabric.close()


def writes_of(connection: Any) -> list[bytes]:
    """What is handed to the connection's socket from now on, write by write."""
    written: list[bytes] = []
    transport = connection._transport
    write = transport.write

    def noting(data: bytes) -> None:
        written.append(data)
        write(data)

    transport.write = noting
    return written


async def test_what_a_gateway_sends_in_one_turn_leaves_in_one_write(fabric: Fabric) -> None:
    worker, gateway = await fabric.worker(QUEUE), await fabric.gateway()
    written = writes_of(gateway.bus._link._connection)  # type: ignore[attr-defined]
    for body in numbered(10):
        assert gateway.bus.publish(QUEUE, body) is Put.ACCEPTED
    assert written == []
    assert [delivery.body for delivery in await worker.take_and_ack(10)] == numbered(10)
    assert len(written) == 1


async def test_a_worker_sends_a_message_by_one_write_and_a_batch_of_acks_by_another(fabric: Fabric) -> None:
    worker, gateway = await fabric.worker(QUEUE, "ordered.1"), await fabric.gateway()
    for queue in (QUEUE, "ordered.1"):
        for body in numbered(3):
            gateway.bus.publish(queue, body)
    taken = await worker.take(6)
    written = writes_of(worker.bus._connection._impl)  # type: ignore[attr-defined]
    await worker.do(worker.bus.publish, TO_GATEWAY, b"pushed")
    await worker.do(worker.bus.ack, taken)
    assert len(written) == 2
    await gateway.until(lambda: gateway.bodies == [b"pushed"])
