"""What the outbox holds and no worker can carry out: it ends no worker, and does not stay for ever."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from logic.delivery.emitter import command_of
from logic.handlers.table import one
from logic.outcome import replied
from logic.workers import outbox_watch
from protocol import codec
from protocol.replies import Reply
from store.tables import outbox
from store.tables.outbox import OutboxRow
from store.transaction import Transaction
from tests.gateway.site import until
from tests.logic.test_workers import Site, _off_the_outbox


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    site = Site(tmp_path / "store.db")
    await site.start()
    yield site
    if not site.stopping.is_set():
        await site.stop()


def _put(site: Site, row: OutboxRow) -> None:
    with site.database.transaction() as tx:
        outbox.put(tx, [row])


async def test_a_due_command_of_an_op_that_a_worker_does_not_know_does_not_end_it(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A newer worker has emitted it, or its op has been renamed since."""
    _put(site, OutboxRow("_system", "~c", "webhook.call", "", '{"cid":"~c"}'))
    real = Transaction.now_ms
    monkeypatch.setattr(Transaction, "now_ms", lambda tx: real(tx) + outbox.FIRST_MS)
    looks: list[Transaction] = []
    monkeypatch.setattr(outbox, "is_any_due", lambda tx: looks.append(tx) is None)
    monkeypatch.setattr(outbox_watch, "LOOK_S", 0.1)
    site.parallel()
    await until(lambda: len(looks) > 3)
    assert site.threads[-1].is_alive()
    assert (await site.ask(site.command("sync", {"cursors": {}})))[0]["op"] == "reply"


@pytest.mark.parametrize("data", ['{"cid":"~c","conversation":"s:bob"}', '{"cid":"~c","conversation":"?","body":{}}'])
async def test_an_emitted_command_that_cannot_be_read_is_dead_and_off_the_outbox(site: Site, data: str) -> None:
    row = OutboxRow("_system", "~c", "notice.append", "s:bob", data)
    _put(site, row)
    site.ordered()
    site.publish(command_of(row))
    assert (await site.ask(site.send()))[0]["op"] == "reply"
    await _off_the_outbox(site)
    await site.stop()
    assert len(site.dead()) == 1


async def test_an_emitted_command_without_a_handler_is_dead_and_off_the_outbox(site: Site) -> None:
    row = OutboxRow("ann", "~c", "user.update", "", codec.write({"cid": "~c", "name": "x"}).decode())
    _put(site, row)
    site.parallel(handlers={"user.get": one(lambda work, services: replied(Reply()))})
    site.publish(command_of(row))
    await _off_the_outbox(site)
