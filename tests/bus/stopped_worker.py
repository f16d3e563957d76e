"""A worker process to be stopped by its test: takes from one queue, acks nothing, says what happens to it.

Prints "ready" when it is subscribed, "took" at deliveries and "lost" at BusLost. Reads its address as JSON from
standard input.
"""

from __future__ import annotations

import json
import sys

import structlog

from bus.interface import BusLost
from bus.rabbit.topology import RabbitAddress
from bus.rabbit.worker import RabbitWorkerBus


def main() -> None:
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    given = json.loads(sys.stdin.readline())
    bus = RabbitWorkerBus(RabbitAddress(**given["address"]), [given["queue"]], given["partitions"], 32)
    bus.connect()
    print("ready", flush=True)
    try:
        while True:
            if bus.take(0.5):
                print("took", flush=True)
    except BusLost:
        print("lost", flush=True)


if __name__ == "__main__":
    main()
