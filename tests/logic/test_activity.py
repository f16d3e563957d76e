"""When something was said is noted at most hourly; `sync` with `since` looks at what was active since then."""

from __future__ import annotations

from typing import Any

import pytest

from store.database import Database
from store.tables import cursors, messages
from store.tables.cursors import HOUR_MS
from store.transaction import Transaction
from tests.logic.road import EPOCH_OF_OTHERS, Road, private, reply, send

AB, AC = private("ann", "bob"), private("ann", "cat")


class Clock:
    """The time that the owner's batches have."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, road: Road) -> None:
        self.road = road
        self.ms = 490_000 * HOUR_MS + 60_000
        monkeypatch.setattr("logic.workers.batch.now_ms", lambda: self.ms)
        self.pass_ms(0)

    def pass_ms(self, ms: int) -> None:
        self.ms += ms
        self.road.now_ms = self.ms


@pytest.fixture
def clock(road: Road, monkeypatch: pytest.MonkeyPatch) -> Clock:
    road.people("ann", "bob", "cat")
    return Clock(monkeypatch, road)


def _noted(database: Database, user: str) -> dict[str, int]:
    with database.reading() as tx:
        return {one.conversation: one.time for one in cursors.active(tx, user, 1, None, 100)}


def _statements(monkeypatch: pytest.MonkeyPatch, road: Road) -> list[str]:
    """The tables that one more send writes rows to, and the number of rows."""
    written: list[str] = []
    insert = Transaction._insert

    def seen(tx: Transaction, head: str, rows: Any, tail: str) -> int:
        written.append(f"{head.split()[2]} {len(rows)}")
        return insert(tx, head, rows, tail)

    with monkeypatch.context() as patch:
        patch.setattr(Transaction, "_insert", seen)
        road.write("ann", AB, 1)
    return written


def test_activity_is_noted_for_both_at_most_hourly_and_costs_a_send_nothing(
    road: Road, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert _statements(monkeypatch, road) == ["messages 1", "cursors 2"]
    first = clock.ms
    assert _noted(road.database, "ann") == _noted(road.database, "bob") == {AB: first}
    clock.pass_ms(HOUR_MS - 60_001)
    assert _statements(monkeypatch, road) == ["messages 1", "cursors 1"]  # what it wrote before: its sender has read
    assert _noted(road.database, "bob") == {AB: first}
    clock.pass_ms(1)
    assert _statements(monkeypatch, road) == ["messages 1", "cursors 2"]
    assert _noted(road.database, "ann") == _noted(road.database, "bob") == {AB: clock.ms}
    assert _statements(monkeypatch, road) == ["messages 1", "cursors 1"]


def test_events_and_notices_are_noted_and_groups_are_not(road: Road, clock: Clock) -> None:
    group = road.group("ann", "bob")
    road.write("ann", f"g:{group}", 3)
    road.write("ann", AB, 1)
    clock.pass_ms(HOUR_MS)
    road.do("notice.append", "_system", conversation="s:bob", body={"event": "test"})
    assert _noted(road.database, "bob") == {AB: clock.ms - HOUR_MS, "s:bob": clock.ms}
    clock.pass_ms(HOUR_MS)
    road.run(send("ann", AB))
    clock.pass_ms(60_000)
    assert _noted(road.database, "bob")[AB] == clock.ms - 60_000
    road.do("message.recall", "ann", conversation=AB, seq=2)
    assert _noted(road.database, "bob")[AB] == clock.ms - 60_000


def test_another_owner_and_a_clock_that_ran_back_keep_the_noted_hour_right(road: Road, clock: Clock) -> None:
    road.write("ann", AB, 1)
    other = road.another_owner()
    clock.pass_ms(HOUR_MS)
    other.run([send("bob", AB)])
    noted = clock.ms
    clock.pass_ms(-2 * HOUR_MS)
    road.write("ann", AB, 2)
    with road.database.reading() as tx:
        tail = messages.tails(tx, [AB])[AB]
    assert _noted(road.database, "ann") == {AB: noted}
    assert tail.time // HOUR_MS == noted // HOUR_MS


def test_sync_since_looks_at_what_was_active_since_then_less_an_hour(road: Road, clock: Clock) -> None:
    road.write("bob", AB, 1)
    clock.pass_ms(5 * HOUR_MS)
    first = reply(road.call("sync", "ann", cursors={}))
    assert [entry["conversation"] for entry in first["conversations"]] == [AB]
    assert first["time"] == clock.ms
    later = reply(road.call("sync", "ann", cursors={}, since=first["time"]))
    assert later["conversations"] == [] and later["epoch"] == first["epoch"]
    road.write("cat", AC, 1)
    assert [m["conversation"] for m in _messages(road, since=first["time"])] == [AC]
    clock.pass_ms(30 * 60_000)
    assert [m["conversation"] for m in _messages(road, since=clock.ms)] == [AC]  # committed late, or clocks differ
    clock.pass_ms(2 * HOUR_MS)
    assert _messages(road, since=clock.ms) == []
    assert [m["conversation"] for m in _messages(road, since=clock.ms - 3 * HOUR_MS)] == [AC]


def _messages(road: Road, **asked: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = reply(road.call("sync", "ann", **{"cursors": {}, **asked}))["messages"]
    return found


def test_since_hides_neither_what_is_named_nor_groups_nor_what_another_epoch_has(road: Road, clock: Clock) -> None:
    group = f"g:{road.group('bob', 'ann')}"
    road.write("bob", AB, 2)
    road.write("bob", group, 1)
    clock.pass_ms(50 * HOUR_MS)
    asked: dict[str, Any] = {"since": clock.ms}
    assert [(m["conversation"], m["seq"]) for m in _messages(road, **asked)] == [(group, 1), (group, 2)]
    named = _messages(road, cursors={AB: 1, group: 2}, **asked)
    assert [(m["conversation"], m["seq"]) for m in named] == [(AB, 2)]
    assert [m["conversation"] for m in _messages(road, cursors={AB: 0}, only=True, **asked)] == [AB, AB]
    restored = _messages(road, cursors={AB: 2}, epoch=EPOCH_OF_OTHERS, **asked)
    assert {m["conversation"] for m in restored} == {AB, group}
    assert len(_messages(road, since=2**53)) == 2
    assert len(_messages(road, since=0)) == 4


def test_what_becomes_active_while_pages_are_fetched_is_not_shown_twice_or_in_the_way(road: Road, clock: Clock) -> None:
    names = [f"u{number:03}" for number in range(200)]
    road.people(*names)
    road.run(*(send(name, private("ann", name)) for name in names))
    page = reply(road.call("sync", "ann", cursors={}))
    shown = [entry["conversation"] for entry in page["conversations"]]
    assert len(shown) == 150
    clock.pass_ms(HOUR_MS)
    moved = next(name for name in names if private("ann", name) not in shown)
    road.run(send(moved, private("ann", moved)))  # its client hears of it by the push
    page = reply(road.call("sync", "ann", cursors={}, after=page["next"]))
    rest = [entry["conversation"] for entry in page["conversations"]]
    assert sorted([*shown, *rest, private("ann", moved)]) == sorted(private("ann", name) for name in names)
    since = reply(road.call("sync", "ann", cursors={}, since=page["time"] - HOUR_MS, only=False))
    assert private("ann", moved) in {entry["conversation"] for entry in since["conversations"]}


@pytest.mark.parametrize("after", ["", "x", "~", "5", "5:", "99999999999999999:p:a:b", "²:x", "5:鸿雁", "z" * 256])
def test_a_made_up_page_of_sync_does_no_harm(road: Road, clock: Clock, after: str) -> None:
    road.write("bob", AB, 1)
    assert "next" not in reply(road.call("sync", "ann", cursors={}, after=after))
