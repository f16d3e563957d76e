"""Both ends of a bus for tests: a gateway that remembers what it was told, a worker on a thread of its own."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pika

from bus import queues
from bus.interface import BusLost, Delivery, GatewayBus, WorkerBus
from bus.memory.bus import MemoryBus
from bus.rabbit.gateway import RabbitGatewayBus
from bus.rabbit.topology import DEAD_LETTER_S, RabbitAddress
from bus.rabbit.worker import RabbitWorkerBus
from conf.sections import BusSettings

PARTITIONS = 4
DEADLINE_S = 30.0


class Gateway:
    """A gateway's end and all that it was told. Acks at once unless `acks_at_once` is False."""

    def __init__(self, bus: GatewayBus) -> None:
        self.bus = bus
        self.bodies: list[bytes] = []
        self.acks: list[Callable[[], None]] = []
        self.states: list[bool] = []
        self.acks_at_once = True
        self._address = ""
        self._change = asyncio.Condition()

    @property
    def queue(self) -> str:
        """The name of the queue that it has now."""
        return queues.gateway(self._address, self.bus.queue_number)

    async def start(self, address: str) -> None:
        self._address = address
        await self.bus.start(address, self._on_message, self._on_state)

    async def until(self, is_true: Callable[[], bool], deadline_s: float = DEADLINE_S) -> None:
        """Return once `is_true`, which is asked whenever this gateway is told something."""
        async with asyncio.timeout(deadline_s), self._change:
            await self._change.wait_for(is_true)

    async def received(self, count: int) -> list[bytes]:
        await self.until(lambda: len(self.bodies) >= count)
        return self.bodies

    def _on_message(self, body: bytes, ack: Callable[[], None]) -> None:
        self.bodies.append(body)
        if self.acks_at_once:
            ack()
        else:
            self.acks.append(ack)
        self._tell()

    def _on_state(self, connected: bool) -> None:
        self.states.append(connected)
        self._tell()

    def _tell(self) -> None:
        asyncio.get_running_loop().create_task(self._notify())

    async def _notify(self) -> None:
        async with self._change:
            self._change.notify_all()


class Worker:
    """A worker's end, owned by one thread; the methods of the bus are carried out there."""

    def __init__(self, bus: WorkerBus) -> None:
        self.bus = bus
        self._thread = ThreadPoolExecutor(1)

    async def do(self, method: Callable[..., Any], *args: Any) -> Any:
        return await asyncio.get_running_loop().run_in_executor(self._thread, method, *args)

    async def take(self, count: int, deadline_s: float = DEADLINE_S) -> list[Delivery]:
        """The next deliveries, at least `count`."""
        return await self.do(self._take, count, deadline_s)

    async def take_and_ack(self, count: int) -> list[Delivery]:
        deliveries = await self.take(count)
        await self.do(self.bus.ack, deliveries)
        return deliveries

    async def take_nothing(self, for_s: float = 0.5) -> None:
        """Watch for as long that nothing comes."""
        assert await self.do(self._take_for, for_s) == []

    async def end(self) -> None:
        await self.do(self.bus.close)
        self._thread.shutdown(wait=False)

    def _take(self, count: int, deadline_s: float) -> list[Delivery]:
        deliveries: list[Delivery] = []
        deadline = time.monotonic() + deadline_s
        while len(deliveries) < count:
            if time.monotonic() > deadline:
                raise TimeoutError(f"{len(deliveries)} of {count} came, {self.bus}")
            deliveries += self.bus.take(0.2)
        return deliveries

    def _take_for(self, for_s: float) -> list[Delivery]:
        deliveries: list[Delivery] = []
        deadline = time.monotonic() + for_s
        while time.monotonic() < deadline:
            deliveries += self.bus.take(0.05)
        return deliveries


class Fabric:
    """Makes ends of one kind, and closes all that it made."""

    def __init__(self, settings: BusSettings) -> None:
        """`settings` of kind "memory", or of RabbitMQ."""
        self.settings = settings
        self._memory = MemoryBus(PARTITIONS)
        self._gateways: list[Gateway] = []
        self._workers: list[Worker] = []

    async def gateway(self, address: str = "g1.e1") -> Gateway:
        gateway = self.new_gateway()
        async with asyncio.timeout(DEADLINE_S):
            await gateway.start(address)
        return gateway

    def new_gateway(self) -> Gateway:
        """One that is not started yet."""
        is_memory = self.settings.kind == "memory"
        bus = self._memory.gateway_end() if is_memory else RabbitGatewayBus(rabbit_address(self.settings))
        self._gateways.append(Gateway(bus))
        return self._gateways[-1]

    async def worker(self, *queues: str, prefetch: int = 32, dead_letter_s: int = DEAD_LETTER_S) -> Worker:
        worker = self.new_worker(*queues, prefetch=prefetch, dead_letter_s=dead_letter_s)
        await worker.do(worker.bus.connect)
        return worker

    def new_worker(
        self,
        *queues: str,
        prefetch: int = 32,
        stopping: threading.Event | None = None,
        dead_letter_s: int = DEAD_LETTER_S,
    ) -> Worker:
        """One that is not connected yet."""
        names = list(queues)
        bus: WorkerBus
        if self.settings.kind == "memory":
            bus = self._memory.worker_end(names, prefetch, stopping)
        else:
            address = rabbit_address(self.settings)
            bus = RabbitWorkerBus(address, names, PARTITIONS, prefetch, stopping, dead_letter_s)
        self._workers.append(Worker(bus))
        return self._workers[-1]

    async def close(self) -> None:
        for gateway in self._gateways:
            await gateway.bus.close()
        for worker in self._workers:
            try:
                await worker.end()
            except (BusLost, RuntimeError):  # lost or ended by its test
                continue


def rabbit_address(settings: BusSettings) -> RabbitAddress:
    return RabbitAddress(
        settings.host,
        settings.port,
        settings.user,
        settings.password,
        settings.virtual_host,
        settings.heartbeat_s,
    )


def on_channel(settings: BusSettings, work: Any) -> Any:
    """What `work` gives on a channel of a connection of its own, as an operator's tool would."""
    credentials = pika.PlainCredentials(settings.user, settings.password)
    parameters = pika.ConnectionParameters(
        settings.host, settings.port, virtual_host=settings.virtual_host, credentials=credentials
    )
    connection = pika.BlockingConnection(parameters)
    try:
        return work(connection.channel())
    finally:
        connection.close()


def numbered(count: int) -> list[bytes]:
    return [b"%06d" % number for number in range(count)]
