"""A recall takes the mentions of one message away: it looks at no other row, and waits for nobody who writes others."""

from __future__ import annotations

import time

import pytest

from store import meta
from store.tables import mentions
from tests.private_servers import PrivateServers
from tests.store.engines import open_server


@pytest.mark.servers
@pytest.mark.parametrize("mentioned", [["ann"], ["ann", "bob"]])
def test_a_mention_that_is_being_written_elsewhere_holds_up_no_recall(
    servers: PrivateServers, mentioned: list[str]
) -> None:
    database = open_server(servers.fresh_database())
    meta.initialise(database, 1)
    with database.transaction() as tx:
        mentions.insert(tx, [(user, f"g:{group}", 1) for group in range(200) for user in ("ann", "bob", "zoe")])
    begun = time.monotonic()
    with database.transaction() as other:
        mentions.insert(other, [("yan", "g:other", 7)])
        with database.transaction() as tx:
            mentions.remove(tx, "g:7", 1, mentioned)
        assert time.monotonic() - begun < 1.0
    database.close()
