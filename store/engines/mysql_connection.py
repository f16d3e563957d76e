"""A connection of PyMySQL on which something else can be done while the server carries out a statement.

The only place that knows how PyMySQL sends a statement and reads its answer; tests/store pins it to the version in
requirements.txt.
"""

from __future__ import annotations

from typing import Any

from pymysql.connections import Connection

from store.engines.engine import WhileWaiting


class OverlappingConnection(Connection):
    """`while_waiting` is called once, between the next statement's sending and its answer. It must not raise: what is
    half read would be the answer to another question."""

    while_waiting: WhileWaiting | None = None

    def _read_query_result(self, unbuffered: bool = False) -> Any:
        while_waiting, self.while_waiting = self.while_waiting, None
        if while_waiting is not None:
            while_waiting()
        return super()._read_query_result(unbuffered)  # type: ignore[misc]
