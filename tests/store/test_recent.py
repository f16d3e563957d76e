"""In which order a user sees its conversations, on both engines: from the newest to the oldest, each once."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from store.database import Database
from store.migrate import SCHEMA, migrate
from store.tables import cursors, groups, messages, recent
from store.tables.cursors import HOUR_MS, Active
from tests.store.rows import NOW_MS, member, message, timeline

HOUR = NOW_MS // HOUR_MS * HOUR_MS


def fill(database: Database, times: dict[str, int], left: frozenset[str] = frozenset()) -> None:
    """Ann's conversations with a message at each time; noted is the beginning of its hour and a few seconds."""
    with database.transaction() as tx:
        messages.insert(tx, [message(name, 1, time=time) for name, time in times.items()])
        own = [name for name in times if name.startswith("g:")]
        groups.put_members(tx, [member(name[2:], "ann", 1, 1 if name in left else None) for name in own])
        noted = {name: 0 if name in own else max(time // HOUR_MS * HOUR_MS, time - 3) for name, time in times.items()}
        cursors.mark(tx, [("ann", name, 0, time) for name, time in noted.items()])


def listed(database: Database, size: int) -> list[list[str]]:
    pages: list[list[str]] = []
    after = None
    with database.reading() as tx:
        while page := recent.page(tx, "ann", after, size):
            pages.append([place.conversation for place in page])
            after = page[-1]
    return pages


def flat(pages: list[list[str]]) -> list[str]:
    return [name for page in pages for name in page]


@pytest.mark.parametrize("size", [1, 2, 3, 50])
def test_within_an_hour_the_last_message_decides_and_groups_stand_among_the_others(
    database: Database, size: int
) -> None:
    times = {
        "p:ann:a": HOUR + 5,
        "p:ann:b": HOUR + 9,
        "p:ann:c": HOUR + 7,
        "p:ann:d": HOUR + 7,
        "g:one": HOUR + 8,
        "g:left": HOUR + 8,
        "s:ann": HOUR - 1,
        "g:old": HOUR - 2,
        "p:ann:old": HOUR - 40 * HOUR_MS,
    }
    fill(database, times, left=frozenset({"g:left"}))
    shown = flat(listed(database, size))
    assert shown == ["p:ann:b", "g:one", "p:ann:c", "p:ann:d", "p:ann:a", "s:ann", "g:old", "p:ann:old"]


@pytest.mark.parametrize("size", [7, 51, 201])
@pytest.mark.parametrize("an_hour", [1, 150, recent.CROWD, recent.CROWD + 1, 400, 1000])
def test_pages_have_everything_once_however_many_are_active_in_an_hour(
    database: Database, an_hour: int, size: int
) -> None:
    names = [f"p:ann:u{number:04}" for number in range(1000)]
    times = {name: HOUR - number // an_hour * HOUR_MS + 1000 + number % 7 for number, name in enumerate(names)}
    times |= {f"g:{number:02}": HOUR - number * 3 * HOUR_MS + 500 for number in range(20)}
    fill(database, times)
    pages = listed(database, size)
    assert sorted(flat(pages)) == sorted(times)
    assert all(len(page) == size for page in pages[:-1])
    hours = [times[name] // HOUR_MS for name in flat(pages)]
    assert hours == sorted(hours, reverse=True)


def test_what_was_noted_last_comes_first_and_a_page_goes_on_where_the_last_one_ended(database: Database) -> None:
    noted = [("p:ann:a", 5), ("p:ann:b", 9), ("p:ann:c", 7), ("p:ann:d", 7)]
    with database.transaction() as tx:
        cursors.mark(tx, [("ann", name, 0, time) for name, time in noted] + [("ann", "g:one", 3, 0)])
        cursors.mark(tx, [("ann", "p:ann:a", 4, 0), ("ann", "p:ann:b", 0, 8), ("ann", "p:ann:b", 2, 3)])
    with database.reading() as tx:
        assert [one.conversation[-1] for one in cursors.active(tx, "ann", 1, None, 10)] == ["b", "d", "c", "a"]
        assert cursors.active(tx, "ann", 1, Active(9, "p:ann:b"), 2) == [Active(7, "p:ann:d"), Active(7, "p:ann:c")]
        assert cursors.active(tx, "ann", 1, Active(7, "p:ann:d"), 2) == [Active(7, "p:ann:c"), Active(5, "p:ann:a")]
        assert cursors.active(tx, "ann", 6, Active(7, "p:ann:d"), 2) == [Active(7, "p:ann:c")]
        assert cursors.active(tx, "ann", 8, Active(7, "p:ann:d"), 2) == []
        assert cursors.get(tx, [("ann", "p:ann:a"), ("ann", "p:ann:b")]) == {
            ("ann", "p:ann:a"): (4, 0),
            ("ann", "p:ann:b"): (2, 0),
        }


def test_a_database_of_the_version_before_has_noted_when_its_conversations_were_active(
    blank: Database, tmp_path: Path
) -> None:
    before = tmp_path / "schema"
    before.mkdir()
    for path in sorted(SCHEMA.iterdir()):
        if path.name < "005":
            shutil.copy(path, before)
    migrate(blank, before)
    with blank.transaction() as tx:
        messages.insert(tx, [row for name in ("p:ann:bob", "s:ann", "g:one") for row in timeline(name, 3)])
        rows = [("ann", name, 1, 0) for name in ("p:ann:bob", "s:ann", "g:one", "p:ann:empty")]
        tx.insert("cursors", ("user", "conversation", "read_seq", "delivered_seq"), rows)
        groups.put_members(tx, [member("one", "ann", 1), member("two", "ann", 1, 2)])
    assert migrate(blank)[0] == 5
    with blank.reading() as tx:
        last = NOW_MS + 3
        assert cursors.active(tx, "ann", 1, None, 10) == [Active(last, "s:ann"), Active(last, "p:ann:bob")]
        assert [place.conversation for place in recent.page(tx, "ann", None, 10)] == ["g:one", "p:ann:bob", "s:ann"]
        assert cursors.get(tx, [("ann", "g:one")]) == {("ann", "g:one"): (1, 0)}


def test_the_migration_may_be_repeated(blank: Database) -> None:
    migrate(blank)
    with blank.transaction() as tx:
        tx.execute("DELETE FROM schema_version WHERE version = 5")
    assert migrate(blank) == [5]
