"""What a user sees of its conversations, on both engines."""

from __future__ import annotations

import pytest

from store.database import Database
from store.tables import conversations, cursors, groups, messages
from store.tables.conversations import ViewRow
from tests.store.rows import member, timeline


def view_of(database: Database, conversation: str, user: str = "ann") -> ViewRow | None:
    with database.reading() as tx:
        return conversations.views(tx, user, [conversation, "p:ann:nobody"]).get(conversation)


@pytest.mark.parametrize(("read_seq", "unread"), [(0, 8), (1, 7), (3, 6), (4, 6), (9, 1), (10, 0), (11, 0)])
def test_unread_is_what_counts_after_the_cursor(database: Database, read_seq: int, unread: int) -> None:
    rows = timeline("p:ann:bob", 10, events=frozenset({3, 4}))
    with database.transaction() as tx:
        messages.insert(tx, rows)
        cursors.read_up_to(tx, [("ann", "p:ann:bob", read_seq)])
    view = ViewRow("p:ann:bob", read_seq, 1, 10, unread, False)
    assert view_of(database, "p:ann:bob") == view


@pytest.mark.parametrize(
    ("joined", "left", "read_seq", "expected"),
    [
        (1, None, 0, (1, 20, 20)),
        (5, None, 0, (5, 20, 16)),  # what was before the join does not count
        (5, None, 9, (5, 20, 11)),
        (20, None, 0, (20, 20, 1)),
        (5, 12, 0, (5, 12, 8)),  # what came after the leave does not, either
        (5, 12, 10, (5, 12, 2)),
        (5, 12, 12, (5, 12, 0)),
        (5, 12, 18, (5, 12, 0)),
        (1, 20, 3, (1, 20, 17)),
    ],
)
def test_a_member_sees_its_own_time_in_a_group(
    database: Database, joined: int, left: int | None, read_seq: int, expected: tuple[int, int, int]
) -> None:
    rows = timeline("g:one", 20)
    with database.transaction() as tx:
        messages.insert(tx, rows)
        groups.put_members(tx, [member("one", "ann", joined, left), member("one", "bob", 1)])
        cursors.read_up_to(tx, [("ann", "g:one", read_seq), ("bob", "g:one", 20)])
    from_seq, max_seq, unread = expected
    view = ViewRow("g:one", read_seq, from_seq, max_seq, unread, left is not None)
    assert view_of(database, "g:one") == view


def test_a_conversation_without_messages_is_empty(database: Database) -> None:
    with database.transaction() as tx:
        cursors.read_up_to(tx, [("ann", "p:ann:bob", 0), ("ann", "g:new", 0)])
        groups.put_members(tx, [member("new", "ann")])
    assert view_of(database, "p:ann:bob") == ViewRow("p:ann:bob", 0, 1, 0, 0, False)
    assert view_of(database, "g:new") == ViewRow("g:new", 0, 1, 0, 0, False)


def test_a_cursor_alone_opens_no_group_and_a_stranger_sees_nothing(database: Database) -> None:
    with database.transaction() as tx:
        messages.insert(tx, timeline("g:one", 3) + timeline("p:ann:bob", 3))
        cursors.read_up_to(tx, [("eve", "g:one", 0), ("ann", "p:ann:bob", 0)])
    assert view_of(database, "g:one", "eve") is None
    assert view_of(database, "p:ann:bob", "eve") is None


def test_hundreds_of_conversations(database: Database) -> None:
    names = [f"p:ann:u{number:04}" for number in range(900)]
    with database.transaction() as tx:
        messages.insert(tx, [row for name in names for row in timeline(name, 2)])
        cursors.read_up_to(tx, [("ann", name, 1) for name in names])
        views = conversations.views(tx, "ann", [*names, "p:ann:zed"])
    assert {(view.max_seq, view.unread) for view in views.values()} == {(2, 1)}
    assert sorted(views) == names
