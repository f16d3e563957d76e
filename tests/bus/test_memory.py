"""What is particular to the bus in memory: its bounds, and threads that publish at once."""

from __future__ import annotations

import threading

import pytest

from bus.interface import GATEWAY_BODIES, Put
from bus.memory import bus as memory
from bus.memory.bus import MemoryBus
from bus.memory.queue import Consumer, MemoryQueue
from bus.queues import ordered
from tests.bus_fabric import Gateway, Worker


def test_a_full_queue_rejects_what_comes_next() -> None:
    queue = MemoryQueue("ordered.0", 10, True)
    consumer = Consumer(32)
    queue.subscribe(consumer)
    assert queue.put(bytes(10))
    assert not queue.put(b"more")
    assert [message.body for message in queue.take(consumer)] == [bytes(10)]
    assert queue.put(b"more")


def test_what_comes_back_counts_again() -> None:
    queue = MemoryQueue("ordered.0", 10, True)
    consumer = Consumer(32)
    queue.subscribe(consumer)
    queue.put(bytes(10))
    queue.take(consumer)
    queue.unsubscribe(consumer)
    assert queue.is_full


async def test_a_gateway_hears_that_a_queue_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "COMMANDS_BYTES", 100)
    gateway = Gateway(MemoryBus(1).gateway_end())
    await gateway.start("g1.e1")
    puts = [gateway.bus.publish(ordered(0), bytes(50)) for _ in range(3)]
    assert puts == [Put.ACCEPTED, Put.ACCEPTED, Put.BLOCKED]


async def test_a_gateway_too_far_behind_loses_its_oldest() -> None:
    bus = MemoryBus(1)
    gateway = Gateway(bus.gateway_end())
    await gateway.start("g1.e1")
    count = GATEWAY_BODIES + 3
    for number in range(count):  # before the loop turns
        bus.publish("gateway.g1.e1.1", b"%d" % number)
    assert await gateway.received(GATEWAY_BODIES) == [b"%d" % number for number in range(3, count)]


async def test_many_threads_publish_to_one_gateway() -> None:
    bus = MemoryBus(1)
    gateway = Gateway(bus.gateway_end())
    await gateway.start("g1.e1")
    threads = 8

    def publish(thread: int) -> None:
        worker = bus.worker_end([ordered(0)], 32)
        worker.connect()
        for number in range(1000):
            worker.publish("gateway.g1.e1.1", b"%d %d" % (thread, number))

    running = [threading.Thread(target=publish, args=(thread,)) for thread in range(threads)]
    for thread in running:
        thread.start()
    received = await gateway.received(threads * 1000)
    for number in range(threads):
        mine = [body for body in received if body.startswith(b"%d " % number)]
        assert mine == [b"%d %d" % (number, index) for index in range(1000)]
    for thread in running:
        thread.join()


async def test_a_worker_waits_without_turning() -> None:
    """A waiting `take` returns as soon as something is published by another thread."""
    bus = MemoryBus(1)
    worker = Worker(bus.worker_end([ordered(0)], 32))
    await worker.do(worker.bus.connect)
    threading.Timer(0.1, bus.publish, (ordered(0), b"now")).start()
    (delivery,) = await worker.do(worker.bus.take, 30.0)
    assert delivery.body == b"now"
    await worker.end()
