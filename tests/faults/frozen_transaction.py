"""Stopping a worker in the middle of a transaction, for certain and not by luck.

A lock on rows that its next batch must write holds the worker in its transaction, with its messages inserted; there it
is stopped. Then the lock is given back, so that the transaction stands open with nobody to end it.
"""

from __future__ import annotations

import time

import psutil

from ops.servers.mariadb import administer
from tests.faults.cluster import FaultCluster

WRITES_WITHIN_S = 1.5  # a lock wait ends after 2 s
POLL_S = 0.15  # innodb_trx shows what it showed before to who asks again within 100 ms
TRIES = 5
LOCK_WAIT, RUNNING = "LOCK WAIT", "RUNNING"
TRANSACTIONS = """
SELECT p.host, t.trx_state FROM information_schema.innodb_trx t
JOIN information_schema.processlist p ON p.id = t.trx_mysql_thread_id WHERE t.trx_rows_modified > 0
"""


def stop_in_transaction(cluster: FaultCluster, worker: str, conversation: str) -> None:
    """SIGSTOP `worker` while it writes to `conversation`, which it owns and somebody sends to."""
    for _ in range(TRIES):
        with cluster.database.transaction() as tx:
            tx.rows("SELECT user FROM cursors WHERE conversation = %s FOR UPDATE", (conversation,))
            if is_met := _comes_to(cluster, worker, LOCK_WAIT):
                cluster.process(worker).pause()
        if is_met:
            assert _comes_to(cluster, worker, RUNNING), f"{worker}'s transaction ended although {worker} stands still"
            return
    raise AssertionError(f"{worker} never waited for a lock on {conversation}")


def _comes_to(cluster: FaultCluster, worker: str, state: str) -> bool:
    until = time.monotonic() + WRITES_WITHIN_S
    while _state(cluster, worker) != state:
        if time.monotonic() > until:
            return False
        time.sleep(POLL_S)
    return True


def _state(cluster: FaultCluster, worker: str) -> str | None:
    """The state of the open transaction in which `worker` has written; None where there is none."""
    ports = _ports(cluster.process(worker).pid)
    for line in administer(cluster.servers.settings.var, TRANSACTIONS).splitlines():
        host, state = line.split("\t")
        if int(host.rpartition(":")[2]) in ports:
            return state
    return None


def _ports(pid: int | None) -> set[int]:
    """The local ports of all TCP connections of a process."""
    return {int(end.laddr.port) for end in psutil.Process(pid).net_connections("tcp") if end.laddr}
