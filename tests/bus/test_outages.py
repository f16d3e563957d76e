"""RabbitMQ goes away in every way it can; both ends notice, say so, and come back by themselves."""

from __future__ import annotations

import asyncio
import dataclasses
import json
import signal
import sys
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import msgspec
import pytest
from pika.adapters.blocking_connection import BlockingChannel

from bus.interface import BusLost, Delivery, Put
from bus.queues import DEAD, ordered
from bus.rabbit import gateway as rabbit_gateway
from bus.rabbit import link as rabbit_link
from bus.rabbit import worker as rabbit_worker
from conf.sections import BusSettings
from ops.servers.rabbitmq import evaluate
from tests.bus_fabric import PARTITIONS, Fabric, Gateway, Worker, numbered, on_channel, rabbit_address
from tests.private_servers import PrivateServers
from tests.proxy import Proxy

QUEUE = ordered(0)


@pytest.fixture
def settings(servers: PrivateServers) -> BusSettings:
    return servers.fresh_bus()


@pytest.fixture
async def fabric(settings: BusSettings) -> AsyncIterator[Fabric]:
    fabric = Fabric(settings)
    yield fabric
    await fabric.close()


@pytest.fixture
def proxy(settings: BusSettings) -> Iterator[Proxy]:
    with Proxy(settings.host, settings.port) as proxy:
        yield proxy


@pytest.fixture
async def distant(settings: BusSettings, proxy: Proxy) -> AsyncIterator[Fabric]:
    """A fabric whose ends reach the broker through the proxy, with quick heartbeats."""
    fabric = Fabric(msgspec.structs.replace(settings, port=proxy.port, heartbeat_s=1))
    yield fabric
    proxy.restore()
    await fabric.close()


@pytest.fixture
def attempt_s(monkeypatch: pytest.MonkeyPatch) -> float:
    """How long a gateway gives the broker to answer: less than usual."""
    monkeypatch.setattr(rabbit_gateway, "CONNECT_TIMEOUT_S", 1.0)
    return 1.0


def take_until_lost(worker: Worker) -> float:
    """Take until BusLost; seconds it took."""
    begun = time.monotonic()
    while time.monotonic() - begun < 60:
        try:
            worker.bus.take(0.5)
        except BusLost:
            return time.monotonic() - begun
    raise TimeoutError("the loss was never noticed")


async def check_both_ways(gateway: Gateway, worker: Worker, word: bytes) -> None:
    """A command reaches the worker and an answer the gateway."""
    assert gateway.bus.publish(QUEUE, word) is Put.ACCEPTED
    while True:
        taken: list[Delivery] = await worker.take_and_ack(1)
        if taken[-1].body == word:
            break
    await worker.do(worker.bus.publish, gateway.queue, word)
    await gateway.until(lambda: word in gateway.bodies)


@asynccontextmanager
async def alarm(servers: PrivateServers) -> AsyncIterator[None]:
    """The broker is out of memory: it blocks whoever publishes."""

    async def limit(fraction: str) -> None:
        command = f"vm_memory_monitor:set_vm_memory_high_watermark({fraction})."
        await asyncio.to_thread(evaluate, servers.settings.bus, servers.settings.var, command)

    await limit("0.00001")
    try:
        yield
    finally:
        await limit("0.4")


@pytest.mark.slow
async def test_broker_killed_and_started_again(servers: PrivateServers, fabric: Fabric) -> None:
    worker, gateway = await fabric.worker(QUEUE), await fabric.gateway()
    await check_both_ways(gateway, worker, b"before")
    losing = asyncio.create_task(worker.do(take_until_lost, worker))
    await asyncio.to_thread(servers.kill, "rabbitmq")
    try:
        await gateway.until(lambda: gateway.states == [True, False])
        assert await losing < 10
        assert not gateway.bus.connected
        assert gateway.bus.publish(QUEUE, b"lost") is Put.DOWN
        with pytest.raises(BusLost):
            await worker.do(worker.bus.publish, gateway.queue, b"lost")
        coming_back = asyncio.create_task(worker.do(worker.bus.connect))
    finally:
        await asyncio.to_thread(servers.start, "rabbitmq")
    begun = time.monotonic()
    await coming_back
    await gateway.until(lambda: gateway.states == [True, False, True])
    assert time.monotonic() - begun < 15
    await check_both_ways(gateway, worker, b"after")


async def test_connection_cut(distant: Fabric, proxy: Proxy) -> None:
    worker, gateway = await distant.worker(QUEUE), await distant.gateway()
    for body in numbered(5):
        gateway.bus.publish(QUEUE, body)
    assert len(await worker.take(5)) == 5
    proxy.cut()
    await worker.do(take_until_lost, worker)
    await gateway.until(lambda: gateway.states == [True, False, True])
    await worker.do(worker.bus.connect)
    again = await worker.take(5)
    assert [delivery.body for delivery in again] == numbered(5)
    assert all(delivery.redelivered for delivery in again)
    await worker.do(worker.bus.ack, again)
    await check_both_ways(gateway, worker, b"after")


async def test_acks_of_a_former_connection_do_nothing(distant: Fabric, proxy: Proxy) -> None:
    worker, gateway = await distant.worker(QUEUE), await distant.gateway()
    gateway.acks_at_once = False
    await worker.do(worker.bus.publish, gateway.queue, b"unacked")
    gateway.bus.publish(QUEUE, b"unacked")
    (taken,) = await worker.take(1)
    await gateway.received(1)
    proxy.cut()
    await worker.do(take_until_lost, worker)
    await worker.do(worker.bus.connect)
    await gateway.until(lambda: gateway.states == [True, False, True])
    gateway.acks[0]()
    await worker.do(worker.bus.ack, [taken])
    (again,) = await worker.take(1)
    assert again.redelivered
    await check_both_ways(gateway, worker, b"after")


async def test_broker_that_refuses_at_first(distant: Fabric, proxy: Proxy) -> None:
    proxy.refuse()
    worker, gateway = distant.new_worker(QUEUE), distant.new_gateway()
    coming = asyncio.gather(worker.do(worker.bus.connect), gateway.start("g1.e1"))
    await asyncio.sleep(0.5)
    assert gateway.states == [] and not coming.done()
    proxy.restore()
    await asyncio.wait_for(coming, 20)
    assert gateway.states == [True]
    await check_both_ways(gateway, worker, b"after")


async def test_stopping_ends_the_attempts(distant: Fabric, proxy: Proxy) -> None:
    proxy.refuse()
    stopping = threading.Event()
    worker = distant.new_worker(QUEUE, stopping=stopping)
    attempts = asyncio.create_task(worker.do(worker.bus.connect))
    await asyncio.sleep(0.3)
    stopping.set()
    with pytest.raises(BusLost):
        await asyncio.wait_for(attempts, 10)


async def test_closing_ends_a_start_that_waits(distant: Fabric, proxy: Proxy) -> None:
    proxy.refuse()
    gateway = distant.new_gateway()
    starting = asyncio.create_task(gateway.start("g1.e1"))
    await asyncio.wait({starting}, timeout=0.3)
    await gateway.bus.close()
    await asyncio.wait_for(starting, 5)
    assert gateway.states == [] and not gateway.bus.connected


async def test_a_draining_gateway_does_not_consume_again(distant: Fabric, proxy: Proxy) -> None:
    worker, gateway = await distant.worker(QUEUE), await distant.gateway()
    await gateway.bus.stop_consuming()
    proxy.cut()
    await gateway.until(lambda: gateway.states == [True, False, True])
    await worker.do(take_until_lost, worker)
    await worker.do(worker.bus.connect)
    assert gateway.bus.publish(QUEUE, b"last words") is Put.ACCEPTED
    assert [delivery.body for delivery in await worker.take(1)] == [b"last words"]
    await worker.do(worker.bus.publish, gateway.queue, b"nobody takes this")
    await worker.take_nothing(0.3)
    assert gateway.bodies == []


@pytest.mark.slow
async def test_broker_black_holed_at_first(distant: Fabric, proxy: Proxy, attempt_s: float) -> None:
    """It accepts and never answers: given up after a while and tried again, with the loop free all the while."""
    proxy.black_hole()
    gateway = distant.new_gateway()
    longest, stop = 0.0, asyncio.Event()

    async def watch_the_loop() -> None:
        nonlocal longest
        while not stop.is_set():
            begun = time.monotonic()
            await asyncio.sleep(0.01)
            longest = max(longest, time.monotonic() - begun)

    watching = asyncio.create_task(watch_the_loop())
    starting = asyncio.create_task(gateway.start("g1.e1"))
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(asyncio.shield(starting), 1.5 * attempt_s)
    proxy.restore()
    await asyncio.wait_for(starting, 15)
    stop.set()
    await watching
    assert longest < 1.0
    assert gateway.states == [True]


@pytest.mark.slow
@pytest.mark.usefixtures("attempt_s")
async def test_broker_black_holed_later(distant: Fabric, proxy: Proxy) -> None:
    """Heartbeats stop: noticed within twice heartbeat + 5 s; what is published meanwhile is bounded."""
    worker, gateway = await distant.worker(QUEUE), await distant.gateway()
    losing = asyncio.create_task(worker.do(take_until_lost, worker))
    proxy.black_hole()
    begun, body = time.monotonic(), bytes(1024 * 1024)
    puts = [gateway.bus.publish(QUEUE, body) for _ in range(60)]
    assert puts[0] is Put.ACCEPTED and puts[-1] is Put.BLOCKED
    assert puts.count(Put.ACCEPTED) <= 12
    await gateway.until(lambda: gateway.states == [True, False])
    assert await losing < 13 and time.monotonic() - begun < 13
    proxy.restore()
    await worker.do(worker.bus.connect)
    await gateway.until(lambda: gateway.states[2:] == [True])
    await check_both_ways(gateway, worker, b"after")


async def test_each_connection_has_a_queue_of_its_own(distant: Fabric, fabric: Fabric, proxy: Proxy) -> None:
    """Nothing of the former one comes, whether the broker still has it or not, and whoever it gives it to."""
    worker, gateway = await fabric.worker(QUEUE), await distant.gateway()
    former = gateway.queue
    proxy.cut()
    await gateway.until(lambda: gateway.states == [True, False, True])
    assert gateway.queue != former
    for body in numbered(20):
        await worker.do(worker.bus.publish, former, b"too late")
        await worker.do(worker.bus.publish, gateway.queue, body)
    assert await gateway.received(20) == numbered(20)


@pytest.mark.slow
async def test_a_queue_that_came_back_with_its_broker_is_not_taken_again(
    servers: PrivateServers, settings: BusSettings, fabric: Fabric
) -> None:
    """It is durable, so it comes back, unused and to expire: on a node that is down it could not have been deleted."""
    worker, gateway = await fabric.worker(QUEUE), await fabric.gateway()
    former = gateway.queue
    losing = asyncio.create_task(worker.do(take_until_lost, worker))
    await asyncio.to_thread(servers.kill, "rabbitmq")
    await asyncio.to_thread(servers.start, "rabbitmq")
    await gateway.until(lambda: gateway.states == [True, False, True])
    await losing
    await worker.do(worker.bus.connect)
    await asyncio.to_thread(on_channel, settings, lambda channel: channel.queue_declare(former, passive=True))
    await worker.do(worker.bus.publish, former, b"too late")
    await check_both_ways(gateway, worker, b"after")
    assert gateway.bodies == [b"after"]


async def test_queues_deleted_by_an_operator(settings: BusSettings, fabric: Fabric) -> None:
    worker, gateway = await fabric.worker(QUEUE), await fabric.gateway()
    for queue in (QUEUE, gateway.queue):
        await asyncio.to_thread(on_channel, settings, lambda channel, queue=queue: channel.queue_delete(queue))
    await worker.do(take_until_lost, worker)
    await worker.do(worker.bus.connect)
    await gateway.until(lambda: gateway.states == [True, False, True])
    await check_both_ways(gateway, worker, b"after")


@pytest.mark.slow
async def test_memory_alarm_blocks_and_does_not_grow(
    servers: PrivateServers, fabric: Fabric, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rabbit_worker, "BLOCKED_TIMEOUT_S", 2.0)
    worker, gateway = await fabric.worker(QUEUE), await fabric.gateway()
    body = bytes(10_000)
    async with alarm(servers):
        deadline = time.monotonic() + 20
        while gateway.bus.publish(QUEUE, body) is not Put.BLOCKED:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        assert {gateway.bus.publish(QUEUE, body) for _ in range(5000)} == {Put.BLOCKED}
        assert gateway.bus._link.buffered_bytes <= rabbit_link.MAX_BUFFERED_BYTES + len(body)  # type: ignore[attr-defined]

        def publish_until_lost() -> float:
            begun = time.monotonic()
            with pytest.raises(BusLost):
                while time.monotonic() - begun < 60:
                    worker.bus.publish(QUEUE, body)
                    worker.bus.take(0)
            return time.monotonic() - begun

        assert await worker.do(publish_until_lost) < 10
    deadline = time.monotonic() + 10
    while gateway.bus.publish(QUEUE, b"unblocked") is not Put.ACCEPTED:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)
    assert gateway.states == [True]
    await worker.do(worker.bus.connect)
    await check_both_ways(gateway, worker, b"after")


@pytest.mark.slow
async def test_a_stopped_worker_is_taken_over(settings: BusSettings, fabric: Fabric) -> None:
    """SIGSTOP leaves its sockets open: only heartbeats show that it is gone. With the usual heartbeat the time that
    this takes is held by tests/faults/test_workers.py."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.bus.stopped_worker", stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdin is not None and process.stdout is not None
    address = dataclasses.replace(rabbit_address(settings), heartbeat_s=1)
    given = {"address": dataclasses.asdict(address), "queue": QUEUE, "partitions": PARTITIONS}
    process.stdin.write(json.dumps(given).encode() + b"\n")
    try:
        async with asyncio.timeout(60):
            assert await process.stdout.readline() == b"ready\n"
            gateway, next_in_line = await fabric.gateway(), await fabric.worker(QUEUE)
            gateway.bus.publish(QUEUE, b"taken by the stopped one")
            assert await process.stdout.readline() == b"took\n"
            process.send_signal(signal.SIGSTOP)
            begun = time.monotonic()
            taken = await next_in_line.take(1)
            assert time.monotonic() - begun < 10
            assert taken[0].body == b"taken by the stopped one" and taken[0].redelivered
            process.send_signal(signal.SIGCONT)
            assert await process.stdout.read() == b"lost\n"
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


async def test_a_dead_letter_goes_after_its_time(settings: BusSettings, fabric: Fabric) -> None:
    worker = await fabric.worker(QUEUE, dead_letter_s=1)
    await worker.do(worker.bus.dead_letter, b"a bad command", "it failed three times")
    until = time.monotonic() + 10
    while (await asyncio.to_thread(on_channel, settings, waiting_there)) > 0:
        assert time.monotonic() < until
        await asyncio.sleep(0.1)


def waiting_there(channel: BlockingChannel) -> int:
    return int(channel.queue_declare(DEAD, passive=True).method.message_count)


async def test_a_dead_letter_is_persistent_and_says_why(settings: BusSettings, fabric: Fabric) -> None:
    worker = await fabric.worker(QUEUE)
    await worker.do(worker.bus.dead_letter, b"a bad command", "it failed three times")
    await worker.do(worker.bus.close)
    got = await asyncio.to_thread(on_channel, settings, lambda channel: channel.basic_get(DEAD, auto_ack=True))
    _, properties, body = got
    assert body == b"a bad command"
    assert properties.headers == {"reason": "it failed three times"} and properties.delivery_mode == 2
