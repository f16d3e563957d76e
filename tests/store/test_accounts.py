"""Users, sessions, done writes and attempts, on both engines."""

from __future__ import annotations

import pytest

from store.database import Database
from store.tables import attempts, done, messages, sessions, users
from tests.store.rows import NOW_MS, session, user


def test_a_user_is_found_by_id_and_by_username(database: Database) -> None:
    row = user("u1", "ann", avatar="http://a/b.png")
    with database.transaction() as tx:
        users.insert(tx, row, NOW_MS)
        users.insert(tx, user("p1"), NOW_MS)
        users.insert(tx, user("p2"), NOW_MS)  # no username is no duplicate
        assert users.by_username(tx, "ann") == row
        assert users.by_username(tx, "bob") is None
        assert users.get(tx, ["u1", "nobody"]) == {"u1": row}
        assert users.get(tx, []) == {}
        assert users.existing(tx, ["u1", "p1", "nobody", "u1"]) == {"u1", "p1"}


def test_only_what_is_given_of_a_user_changes(database: Database) -> None:
    row = user("u1", "ann", avatar="http://a/b.png")
    with database.transaction() as tx:
        users.insert(tx, row, NOW_MS)
        assert users.update(tx, "u1", bio="", name="Ann")
        assert users.update(tx, "u1", name="Ann")  # the same again is found again
        assert users.update(tx, "u1")
        assert not users.update(tx, "nobody", name="x")
        assert users.set_password(tx, "u1", "new hash", row.password)
        users.set_disabled(tx, "u1", True)
        changed = row._replace(name="Ann", bio="", password="new hash", disabled=True)
        assert users.get(tx, ["u1"]) == {"u1": changed}


def test_a_password_is_set_only_where_the_verified_one_still_is(database: Database) -> None:
    row = user("u1", "ann")
    with database.transaction() as tx:
        users.insert(tx, row, NOW_MS)
        users.insert(tx, user("p1")._replace(password=None), NOW_MS)
        assert users.set_password(tx, "u1", "two", "hash")
        assert not users.set_password(tx, "u1", "three", "hash")
        assert users.set_password(tx, "u1", "two", "two")  # the same again is found again
        assert not users.set_password(tx, "p1", "two", None)
        assert users.get(tx, ["u1"]) == {"u1": row._replace(password="two")}


def test_seeding_twice_keeps_what_is_there(database: Database) -> None:
    with database.transaction() as tx:
        users.insert(tx, user("u1", "ann"), NOW_MS)
        renamed = [user("u1", "other"), user("u2", "bob"), user("u2", "bob")]
        assert users.insert_missing(tx, renamed, NOW_MS) == 1
        assert users.insert_missing(tx, renamed, NOW_MS) == 0
        assert {row.username for row in users.get(tx, ["u1", "u2"]).values()} == {"ann", "bob"}


def test_a_newer_refresh_token_is_put_in_place_once(database: Database) -> None:
    row = session("s1", refresh_hash="one")
    with database.transaction() as tx:
        sessions.insert(tx, row)
        assert sessions.by_refresh(tx, "one") == row
        assert sessions.rotate(tx, row, "two", "[7]", NOW_MS + 9)
        assert not sessions.rotate(tx, row, "three", "[8]", NOW_MS + 9)
        newer = row._replace(newest_hash="two", rotated="[7]", expires=NOW_MS + 9)
        assert sessions.by_refresh(tx, "one") == newer
        assert sessions.by_refresh(tx, "two") is None, "a session is found by the first token of its family"
        assert sessions.rotate(tx, newer, "three", "[8,7]", NOW_MS + 9)


def test_a_revoked_session_stays_revoked_and_is_not_live(database: Database) -> None:
    with database.transaction() as tx:
        for row in (session("s1"), session("s2"), session("s3", "bob"), session("old", expires=NOW_MS - 1)):
            sessions.insert(tx, row)
        assert sessions.live(tx, "ann", NOW_MS) == ["s1", "s2"]
        sessions.revoke(tx, ["s1", "nothing"], NOW_MS)
        sessions.revoke(tx, ["s1"], NOW_MS + 50)
        sessions.revoke(tx, [], NOW_MS)
        assert sessions.live(tx, "ann", NOW_MS) == ["s2"]
        assert sessions.get(tx, ["s1"])["s1"].revoked == NOW_MS
        assert not sessions.rotate(tx, session("s1"), "two", "[]", NOW_MS + 9)


def test_sessions_that_ended_at_one_moment_are_found(database: Database) -> None:
    with database.transaction() as tx:
        for row in (session("s1"), session("s2"), session("s3", "bob")):
            sessions.insert(tx, row)
        sessions.revoke(tx, ["s1", "s3"], NOW_MS)
        sessions.revoke(tx, ["s2"], NOW_MS + 1)
        assert sessions.revoked_at(tx, "ann", NOW_MS) == ["s1"]


def test_a_write_without_an_event_is_found_by_its_cid(database: Database) -> None:
    row = done.row("ann", "c1", "user.update", b"d" * 16, '{"a":1}', NOW_MS)
    with database.transaction() as tx:
        messages.insert(tx, [row])
        assert messages.by_cids(tx, [("ann", "c1"), ("ann", "C1"), ("bob", "c1")]) == {("ann", "c1"): row}


def test_attempts_are_counted_and_forgotten(database: Database) -> None:
    with database.transaction() as tx:
        assert [attempts.count(tx, "login:a", NOW_MS + number) for number in range(3)] == [1, 2, 3]
        assert attempts.count(tx, "login:b", NOW_MS) == 1
        attempts.forget(tx, ["login:b"])
        assert attempts.count(tx, "login:b", NOW_MS) == 1
        assert attempts.count(tx, "login:a", NOW_MS) == 4


@pytest.mark.parametrize("count", [1, 3])
def test_attempts_that_are_rolled_back_do_not_count(database: Database, count: int) -> None:
    for _ in range(count):
        with pytest.raises(KeyError), database.transaction() as tx:
            attempts.count(tx, "login:a", NOW_MS)
            raise KeyError
    with database.transaction() as tx:
        assert attempts.count(tx, "login:a", NOW_MS) == 1
