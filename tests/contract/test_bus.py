"""What bus/interface.py promises, held against memory and RabbitMQ alike."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bus.interface import BusLost, Delivery, Put
from bus.queues import DEAD, gateway, ordered
from bus.rabbit.topology import durable_queues
from conf.sections import BusSettings
from protocol.ops import PARALLEL
from tests.bus_fabric import PARTITIONS, Fabric, Gateway, Worker, numbered, on_channel
from tests.private_servers import PrivateServers

QUEUE = ordered(0)
TO_GATEWAY = gateway("g1.e1", 1)


@pytest.fixture(scope="module")
def rabbitmq(servers: PrivateServers) -> BusSettings:
    return servers.fresh_bus()


@pytest.fixture(params=["memory", pytest.param("rabbitmq", marks=pytest.mark.servers)])
async def fabric(request: pytest.FixtureRequest) -> AsyncIterator[Fabric]:
    """Empty queues, of either kind."""
    if request.param == "rabbitmq":
        settings = request.getfixturevalue("rabbitmq")
        on_channel(settings, delete_queues)
    else:
        settings = BusSettings(kind="memory")
    fabric = Fabric(settings)
    yield fabric
    await fabric.close()


def delete_queues(channel: Any) -> None:
    for queue in durable_queues(PARTITIONS):
        channel.queue_delete(queue)


def bodies(deliveries: list[Delivery]) -> list[bytes]:
    return [delivery.body for delivery in deliveries]


def publish_all(gateway: Gateway, queue: str, sent: list[bytes]) -> None:
    for body in sent:
        assert gateway.bus.publish(queue, body) is Put.ACCEPTED


async def test_commands_reach_the_worker_in_order(fabric: Fabric) -> None:
    worker = await fabric.worker(QUEUE)
    gateway = await fabric.gateway()
    publish_all(gateway, QUEUE, numbered(500))
    taken: list[Delivery] = []
    while len(taken) < 500:
        taken += await worker.take_and_ack(1)
    assert bodies(taken) == numbered(500)
    assert not any(delivery.redelivered for delivery in taken)
    assert {delivery.queue for delivery in taken} == {QUEUE}


async def test_answers_reach_the_gateway_in_order(fabric: Fabric) -> None:
    worker = await fabric.worker(QUEUE)
    gateway = await fabric.gateway()
    await worker.do(lambda: [worker.bus.publish(TO_GATEWAY, body) for body in numbered(500)])
    assert await gateway.received(500) == numbered(500)


async def test_large_bodies_arrive_whole(fabric: Fabric) -> None:
    worker = await fabric.worker(QUEUE)
    gateway = await fabric.gateway()
    body = bytes(range(256)) * 4096
    assert gateway.bus.publish(QUEUE, body) is Put.ACCEPTED
    assert bodies(await worker.take_and_ack(1)) == [body]
    await worker.do(worker.bus.publish, TO_GATEWAY, body)
    assert await gateway.received(1) == [body]


async def test_unacked_come_back_in_order_and_marked(fabric: Fabric) -> None:
    first = await fabric.worker(QUEUE)
    gateway = await fabric.gateway()
    publish_all(gateway, QUEUE, numbered(10))
    taken = await first.take(10)
    await first.do(first.bus.ack, taken[:3])
    await first.end()
    second = await fabric.worker(QUEUE)
    publish_all(gateway, QUEUE, [b"later"])
    again = await second.take(8)
    assert bodies(again) == [*numbered(10)[3:], b"later"]
    assert [delivery.redelivered for delivery in again] == [True] * 7 + [False]


async def test_acks_in_any_order_count_each_for_itself(fabric: Fabric) -> None:
    first = await fabric.worker(PARALLEL)
    gateway = await fabric.gateway()
    publish_all(gateway, PARALLEL, numbered(9))
    taken = await first.take(9)
    for done in ([5], [8, 0], [2, 1, 1], [5, 4]):
        await first.do(first.bus.ack, [taken[index] for index in done])
    await first.end()
    second = await fabric.worker(PARALLEL)
    again = await second.take(3)
    assert bodies(again) == [b"000003", b"000006", b"000007"]
    await second.do(second.bus.ack, again)
    await second.take_nothing()


async def test_only_the_first_in_line_is_active_and_the_next_takes_over(fabric: Fabric) -> None:
    first, second = await fabric.worker(QUEUE), await fabric.worker(QUEUE)
    gateway = await fabric.gateway()
    publish_all(gateway, QUEUE, numbered(20))
    await first.take_and_ack(20)
    await second.take_nothing()
    publish_all(gateway, QUEUE, [b"unacked"])
    await first.take(1)
    await first.end()
    (delivery,) = await second.take(1)
    assert delivery.body == b"unacked" and delivery.redelivered


async def test_closing_with_messages_on_their_way_keeps_their_order(fabric: Fabric) -> None:
    """The queue must not go on to the next in line before the unacked are back in their places."""
    first, second = await fabric.worker(QUEUE, prefetch=4), await fabric.worker(QUEUE, prefetch=4)
    gateway = await fabric.gateway()
    publish_all(gateway, QUEUE, numbered(200))
    await first.take(1)
    await first.end()
    taken: list[Delivery] = []
    while len(taken) < 200:
        taken += await second.take_and_ack(1)
    assert bodies(taken) == numbered(200)


async def test_giving_up_hands_the_unacked_over_first(fabric: Fabric) -> None:
    first, second = await fabric.worker(QUEUE, prefetch=4), await fabric.worker(QUEUE, prefetch=4)
    gateway = await fabric.gateway()
    publish_all(gateway, QUEUE, numbered(50))
    taken = await first.take(2)
    await first.do(first.bus.ack, taken[:1])
    await first.do(first.bus.give_up, QUEUE)
    await first.take_nothing(0.2)
    again: list[Delivery] = []
    while len(again) < 49:
        again += await second.take_and_ack(1)
    assert bodies(again) == numbered(50)[1:]
    await first.do(first.bus.ack, taken[1:])  # of a time that is over: no effect, no harm
    await second.do(second.bus.give_up, QUEUE)
    publish_all(gateway, QUEUE, [b"back at the first"])
    assert bodies(await first.take(1)) == [b"back at the first"]


async def carry_out(worker: Worker, until: threading.Event, done: list[bytes], after: int) -> None:
    """Echo every command to the gateway and ack it; give the queue up whenever `after` were done. On its thread."""

    def work() -> None:
        count = 0
        while not until.is_set():
            taken = worker.bus.take(0.1)
            for delivery in taken:
                worker.bus.publish(TO_GATEWAY, delivery.body)
                done.append(delivery.body)
            worker.bus.ack(taken)
            count += len(taken)
            if count >= after:
                count = 0
                worker.bus.stop_taking(QUEUE)
                worker.bus.give_up(QUEUE)

    await worker.do(work)


async def test_handing_over_under_load_keeps_one_order(fabric: Fabric) -> None:
    """Two owners take turns while commands keep coming: none is lost or doubled, and not even their echoes mix."""
    total, stop, done = 3000, threading.Event(), []
    workers = [await fabric.worker(QUEUE, prefetch=8) for _ in range(2)]
    gateway = await fabric.gateway()
    working = [asyncio.create_task(carry_out(worker, stop, done, 100)) for worker in workers]
    try:
        for body in numbered(total):
            while gateway.bus.publish(QUEUE, body) is not Put.ACCEPTED:
                await asyncio.sleep(0.01)
            if body.endswith(b"0"):
                await asyncio.sleep(0)
        echoes = await gateway.received(total)
    finally:
        stop.set()
        await asyncio.gather(*working)
    assert done == numbered(total)
    assert echoes == numbered(total)


async def test_a_queue_that_is_to_be_given_up_brings_nothing_more(fabric: Fabric) -> None:
    """However much waits, and whatever is acked meanwhile: so a worker that has too much to do gets rid of it."""
    first, second = await fabric.worker(QUEUE, prefetch=8), await fabric.worker(QUEUE, prefetch=8)
    gateway = await fabric.gateway()
    publish_all(gateway, QUEUE, numbered(500))
    taken = await first.take(3)
    await first.do(first.bus.stop_taking, QUEUE)
    for delivery in taken:
        await first.do(first.bus.ack, [delivery])
        await first.take_nothing(0.1)
    await first.do(first.bus.give_up, QUEUE)
    again: list[Delivery] = []
    while len(again) < 500 - len(taken):
        again += await second.take_and_ack(1)
    assert bodies(again) == numbered(500)[len(taken) :]
    assert sum(delivery.redelivered for delivery in again) <= 8, "no more than the prefetch was held back"
    await second.do(second.bus.give_up, QUEUE)
    publish_all(gateway, QUEUE, [b"taken again"])
    assert bodies(await first.take(1)) == [b"taken again"]


async def test_another_queue_still_brings_what_comes(fabric: Fabric) -> None:
    worker = await fabric.worker(QUEUE, ordered(1))
    gateway = await fabric.gateway()
    await worker.do(worker.bus.stop_taking, QUEUE)
    publish_all(gateway, QUEUE, [b"not taken"])
    publish_all(gateway, ordered(1), [b"taken"])
    assert bodies(await worker.take(1)) == [b"taken"]
    await worker.take_nothing()


async def test_no_more_than_the_prefetch_is_unacked(fabric: Fabric) -> None:
    worker = await fabric.worker(QUEUE, prefetch=5)
    gateway = await fabric.gateway()
    publish_all(gateway, QUEUE, numbered(20))
    assert bodies(await worker.take(5)) == numbered(5)
    await worker.take_nothing()


async def test_parallel_workers_share(fabric: Fabric) -> None:
    first, second = await fabric.worker(PARALLEL, prefetch=5), await fabric.worker(PARALLEL, prefetch=5)
    gateway = await fabric.gateway()
    publish_all(gateway, PARALLEL, numbered(10))
    taken = [*await first.take(5), *await second.take(5)]
    assert sorted(bodies(taken)) == numbered(10)


async def test_wake_ends_the_waiting(fabric: Fabric) -> None:
    worker = await fabric.worker(QUEUE)
    begun = time.monotonic()
    waiting = asyncio.create_task(worker.do(worker.bus.take, 30.0))
    await asyncio.sleep(0)
    worker.bus.wake()
    assert await waiting == []
    assert time.monotonic() - begun < 5


async def test_publishing_to_nobody_is_silent(fabric: Fabric) -> None:
    worker = await fabric.worker(QUEUE)
    gateway = await fabric.gateway()
    assert gateway.bus.publish("gateway.nobody.e0.1", b"lost") is Put.ACCEPTED
    await worker.do(worker.bus.publish, "gateway.nobody.e0.1", b"lost")
    publish_all(gateway, QUEUE, [b"still works"])
    assert bodies(await worker.take(1)) == [b"still works"]
    await worker.do(worker.bus.publish, TO_GATEWAY, b"still works")
    assert await gateway.received(1) == [b"still works"]


async def test_dead_letters_are_kept(fabric: Fabric) -> None:
    worker = await fabric.worker(QUEUE)
    await worker.do(worker.bus.dead_letter, b"a bad command", "it failed three times")
    reader = await fabric.worker(DEAD)
    assert bodies(await reader.take(1)) == [b"a bad command"]


async def test_a_gateway_is_told_when_it_is_connected(fabric: Fabric) -> None:
    gateway = fabric.new_gateway()
    assert not gateway.bus.connected
    assert gateway.bus.publish(QUEUE, b"too early") is Put.DOWN
    await gateway.start("g1.e1")
    assert gateway.bus.connected and gateway.states == [True]
    await gateway.bus.close()
    assert not gateway.bus.connected
    assert gateway.bus.publish(QUEUE, b"too late") is Put.DOWN


async def test_a_gateway_that_does_not_ack_is_not_flooded(fabric: Fabric) -> None:
    worker = await fabric.worker(QUEUE)
    gateway = await fabric.gateway()
    gateway.acks_at_once = False
    await worker.do(lambda: [worker.bus.publish(TO_GATEWAY, body) for body in numbered(200)])
    await gateway.received(64)
    assert len(gateway.bodies) == 64
    gateway.acks_at_once = True
    for ack in gateway.acks:
        ack()
    assert await gateway.received(200) == numbered(200)


async def test_a_gateway_that_stopped_consuming_still_publishes(fabric: Fabric) -> None:
    worker = await fabric.worker(QUEUE)
    gateway = await fabric.gateway()
    await gateway.bus.stop_consuming()
    await worker.do(worker.bus.publish, TO_GATEWAY, b"nobody takes this")
    publish_all(gateway, QUEUE, [b"last words"])
    assert bodies(await worker.take(1)) == [b"last words"]
    assert gateway.bodies == []


async def test_what_was_published_before_closing_arrives(fabric: Fabric) -> None:
    worker = await fabric.worker(QUEUE)
    gateway = await fabric.gateway()
    publish_all(gateway, QUEUE, numbered(30))
    await gateway.bus.close()
    assert bodies(await worker.take(30)) == numbered(30)


async def test_a_failing_receiver_does_not_stop_the_gateway(fabric: Fabric) -> None:
    worker = await fabric.worker(QUEUE)
    gateway = fabric.new_gateway()

    def receive(body: bytes, ack: object) -> None:
        if body == b"bad":
            raise ValueError("cannot be read")
        gateway._on_message(body, ack)  # type: ignore[arg-type]

    await gateway.bus.start("g1.e1", receive, gateway._on_state)
    await worker.do(lambda: [worker.bus.publish(TO_GATEWAY, body) for body in [b"bad"] * 100 + [b"good"]])
    assert await gateway.received(1) == [b"good"]


async def test_a_closed_worker_says_so(fabric: Fabric) -> None:
    worker = await fabric.worker(QUEUE)
    await worker.do(worker.bus.close)
    for method, args in ((worker.bus.take, (0.1,)), (worker.bus.publish, (QUEUE, b"")), (worker.bus.connect, ())):
        with pytest.raises(BusLost):
            await worker.do(method, *args)
    worker.bus.wake()


async def test_a_stopping_worker_does_not_connect(fabric: Fabric) -> None:
    stopping = threading.Event()
    stopping.set()
    worker = fabric.new_worker(QUEUE, stopping=stopping)
    with pytest.raises(BusLost):
        await worker.do(worker.bus.connect)
