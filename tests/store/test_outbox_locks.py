"""Taking a command off the outbox waits for nobody who writes another: MariaDB locks every row that it looks at."""

from __future__ import annotations

import time

import pytest

from store import meta
from store.tables import outbox
from store.tables.outbox import OutboxRow
from tests.private_servers import PrivateServers
from tests.store.engines import open_server


def _rows(first: int, count: int) -> list[OutboxRow]:
    return [OutboxRow("_system", f"~{n:03}", "notice.append", "s:ann", "{}") for n in range(first, first + count)]


@pytest.mark.servers
@pytest.mark.parametrize("count", [1, 2, 50])
def test_what_another_transaction_emits_holds_up_nobody_who_takes_others_away(
    servers: PrivateServers, count: int
) -> None:
    database = open_server(servers.fresh_database())
    meta.initialise(database, 1)
    with database.transaction() as tx:
        outbox.put(tx, _rows(0, 3))
    begun = time.monotonic()
    with database.transaction() as other:
        outbox.put(other, _rows(900, 1))
        with database.transaction() as tx:
            outbox.remove(tx, [(row.sender, row.cid) for row in _rows(0, count)])
        assert time.monotonic() - begun < 1.0
    database.close()
