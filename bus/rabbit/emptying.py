"""Takes all waiting commands out of RabbitMQ, while nobody takes any: after the store was put back to a backup.

Law: none of them is an acknowledged write. Who asked for one has no answer, and asks again under the same cid; what a
write has emitted is in the outbox. Run, they would meet a store that does not know their senders, or tell of writes
that never were. The queue `dead` stays as it is.
"""

from __future__ import annotations

from pika import BlockingConnection

from bus import queues
from bus.rabbit.topology import RabbitAddress, bus_lost, durable_queues, parameters

WHOLE_S = 10.0


class QueueInUse(Exception):
    """A worker takes from the queue that the message names."""


def empty_commands(address: RabbitAddress, partitions: int) -> int:
    """Delete the commands that wait; returns how many batches of them there were. Raises QueueInUse, and then nothing
    was deleted; BusLost."""
    with bus_lost():
        connection = BlockingConnection(parameters(address, "restore", WHOLE_S))
        try:
            channel = connection.channel()
            wanted = {name: how for name, how in durable_queues(partitions).items() if name != queues.DEAD}
            for name, arguments in wanted.items():
                found = channel.queue_declare(name, durable=True, arguments=arguments)
                if found.method.consumer_count:
                    raise QueueInUse(name)
            return sum(channel.queue_purge(name).method.message_count for name in wanted)
        finally:
            connection.close()
