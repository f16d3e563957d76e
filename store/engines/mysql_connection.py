"""A connection of PyMySQL that leaves time for other work while the server carries out a statement.

The only place that knows how PyMySQL sends a statement and reads its answer; tests/store pins it to the version in
requirements.txt.
"""

from __future__ import annotations

from typing import Any

from pymysql.connections import Connection

from store.engines.engine import WhileWaiting


class OverlappingConnection(Connection):
    """Calls `while_waiting` once, when the next statement was sent and before its answer is read.

    It must not raise: the answer would stay unread, and be taken for that to the next statement.

    `ends_idle_transactions`: the server does so by itself. `is_bound`: it was told to end this connection soon where it
    is idle (store/engines/mysql.py).
    """

    while_waiting: WhileWaiting | None = None
    reads_snapshots: bool | None = None
    """Whether its session is set up for transactions that only read (store/engines/mysql.py); None: not yet."""
    ends_idle_transactions = True
    is_bound = False

    def _read_query_result(self, unbuffered: bool = False) -> Any:
        while_waiting, self.while_waiting = self.while_waiting, None
        if while_waiting is not None:
            while_waiting()
        return super()._read_query_result(unbuffered)  # type: ignore[misc]
