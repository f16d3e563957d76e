"""What goes after its time, and what stays, on SQLite and on MariaDB."""

from __future__ import annotations

from typing import Any

import pytest

from store.database import Database
from store.tables import attempts, cursors, done, friends, groups, guesses, mentions, messages, purges, sessions
from store.tables.friends import RequestRow
from store.tables.guesses import GuessRow
from store.tables.purges import PURGES, START, Piece, Place
from store.transaction import Transaction
from tests.store.rows import NOW_MS, member, message, session

DAY_MS = 86_400_000
OLD_MS = NOW_MS - 100 * DAY_MS
BEFORE_MS = NOW_MS - 50 * DAY_MS


def purge(database: Database, name: str, limit: int = 3) -> int:
    """All pieces of one kind, each in a transaction of its own; how many rows went."""
    place: Place | None = START
    deleted = 0
    while place is not None:
        with database.transaction() as tx:
            piece: Piece = PURGES[name](tx, place, limit, BEFORE_MS)
        deleted, place = deleted + piece.deleted, piece.next
    return deleted


def column(database: Database, sql: str) -> list[Any]:
    with database.reading() as tx:
        return sorted(row[0] for row in tx.rows(sql))


def write_left(tx: Transaction, group: str, who: str, time_ms: int, seq: int) -> None:
    """Somebody who left a group at `time_ms` by the notice `seq`."""
    messages.insert(tx, [message(f"g:{group}", seq, time=time_ms, type="notice")])
    groups.put_members(tx, [member(group, who, left_seq=seq)])
    cursors.read_up_to(tx, [(who, f"g:{group}", seq - 1)])


def test_sessions_go_a_time_after_they_expired_or_were_revoked(database: Database) -> None:
    with database.transaction() as tx:
        for number in range(7):
            sessions.insert(tx, session(f"expired{number}", issued=OLD_MS, expires=OLD_MS))
        sessions.insert(tx, session("revoked", expires=NOW_MS + DAY_MS, revoked=OLD_MS))
        sessions.insert(tx, session("lives", expires=NOW_MS + DAY_MS))
        sessions.insert(tx, session("just-ended", expires=NOW_MS + DAY_MS, revoked=NOW_MS))
    assert purge(database, "sessions") == 8
    assert column(database, "SELECT id FROM sessions") == ["just-ended", "lives"]


def test_answers_of_writes_without_a_message_go_and_messages_stay(database: Database) -> None:
    with database.transaction() as tx:
        for number in range(8):
            messages.insert(tx, [done.row("ann", f"old{number}", "user.update", b"d" * 16, "{}", OLD_MS)])
        messages.insert(tx, [done.row("ann", "new", "user.update", b"d" * 16, "{}", NOW_MS)])
        messages.insert(tx, [message("p:ann:bob", 1, time=OLD_MS, cid="said")])
    assert purge(database, "answers") == 8
    assert column(database, "SELECT cid FROM messages") == ["new", "said"]


def test_mentions_go_when_they_were_read_or_are_old(database: Database) -> None:
    with database.transaction() as tx:
        messages.insert(tx, [message("g:team", seq, time=OLD_MS if seq < 3 else NOW_MS) for seq in range(1, 9)])
        mentions.insert(tx, [("bob", "g:team", seq) for seq in range(1, 9)])
        mentions.insert(tx, [("eve", "g:team", 2), ("eve", "g:team", 8), ("all", "g:team", 1), ("all", "g:team", 5)])
        cursors.read_up_to(tx, [("bob", "g:team", 6)])
    assert purge(database, "mentions") == 8
    with database.reading() as tx:
        left = tx.rows("SELECT user, seq FROM mentions ORDER BY user, seq")
    assert left == [("all", 5), ("bob", 7), ("bob", 8), ("eve", 8)]


def test_groups_left_go_with_their_cursors_and_nothing_else_does(database: Database) -> None:
    with database.transaction() as tx:
        for number in range(5):
            write_left(tx, "team", f"gone{number}", OLD_MS, 10 + number)
        write_left(tx, "team", "just-left", NOW_MS, 20)
        groups.put_members(tx, [member("team", "stays"), member("team", "undated", left_seq=99)])
        cursors.read_up_to(tx, [("stays", "g:team", 1), ("gone0", "p:ann:gone0", 1), ("gone0", "g:other", 1)])
    assert purge(database, "left_groups") == 10
    assert column(database, "SELECT user FROM members") == ["just-left", "stays", "undated"]
    kept = {("just-left", "g:team"), ("stays", "g:team"), ("gone0", "p:ann:gone0"), ("gone0", "g:other")}
    with database.reading() as tx:
        assert set(tx.rows("SELECT user, conversation FROM cursors")) == kept


def test_somebody_who_came_back_meanwhile_keeps_membership_and_cursor(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The piece has read the row of the former membership when its user is let in again."""
    with database.transaction() as tx:
        write_left(tx, "team", "ann", OLD_MS, 10)
    asked = messages.times_at

    def while_looking(tx: Transaction, pairs: Any) -> dict[tuple[str, int], int]:
        groups.put_members(tx, [member("team", "ann", joined_seq=30)])
        return asked(tx, pairs)

    monkeypatch.setattr(purges.timelines, "times_at", while_looking)
    assert purge(database, "left_groups") == 0
    assert column(database, "SELECT joined_seq FROM members") == [30]
    assert column(database, "SELECT conversation FROM cursors") == ["g:team"]


def test_friend_requests_without_an_answer_go(database: Database) -> None:
    with database.transaction() as tx:
        for number in range(7):
            friends.put_request(tx, RequestRow("ann", f"bob{number}", None, OLD_MS if number < 5 else NOW_MS))
        friends.put_request(tx, RequestRow("eve", "bob0", None, OLD_MS))
    assert purge(database, "friend_requests") == 6
    assert column(database, "SELECT peer FROM friend_requests") == ["bob5", "bob6"]


def test_attempts_go(database: Database) -> None:
    with database.transaction() as tx:
        for number in range(7):
            attempts.count(tx, f"old{number}", OLD_MS)
        attempts.count(tx, "new", NOW_MS)
    assert purge(database, "attempts") == 7
    assert column(database, "SELECT name FROM attempts") == ["new"]


def test_guesses_go_when_they_are_of_no_use_any_more(database: Database) -> None:
    with database.transaction() as tx:
        old = [GuessRow(f"place:{number}", 1, number == 0, OLD_MS, OLD_MS) for number in range(7)]
        guesses.put(tx, [*old, GuessRow("account:a", 1, ends=NOW_MS)])
    assert purge(database, "guesses") == 7
    assert column(database, "SELECT name FROM guesses") == ["account:a"]


@pytest.mark.parametrize("name", PURGES)
def test_an_empty_table_is_one_piece(database: Database, name: str) -> None:
    with database.transaction() as tx:
        assert PURGES[name](tx, START, 10, BEFORE_MS) == Piece(0, None)
