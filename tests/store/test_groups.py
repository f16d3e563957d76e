"""Groups and members, on both engines."""

from __future__ import annotations

from store.database import Database
from store.tables import groups
from tests.store.rows import NOW_MS, group, member


def test_a_group_is_stored_and_changed(database: Database) -> None:
    row = group("one")
    changed = row._replace(name="New", avatar="http://a", notice="Hi", owner="bob", join_mode="invite", mute_all=True)
    with database.transaction() as tx:
        groups.insert(tx, row, NOW_MS)
        assert groups.get(tx, ["one", "two"]) == {"one": row}
        groups.replace(tx, changed)
        assert groups.get(tx, ["one"]) == {"one": changed}
        groups.set_count(tx, "one", 2)
        assert groups.get(tx, ["one"])["one"].members == 2


def test_a_member_who_leaves_is_remembered_and_may_come_back(database: Database) -> None:
    pairs = [("one", "ann"), ("one", "bob"), ("one", "cid"), ("two", "ann")]
    with database.transaction() as tx:
        groups.put_members(tx, [member("one", "bob"), member("one", "ann", role="owner"), member("one", "ann")])
        groups.mark_left(tx, "one", ["bob", "nobody"], 7)
        groups.mark_left(tx, "one", ["bob"], 9)
        found = groups.members(tx, pairs)
        assert found == {("one", "ann"): member("one", "ann"), ("one", "bob"): member("one", "bob", 1, 7)}
        again = member("one", "bob", 12, role="admin")._replace(muted_until=NOW_MS)
        groups.put_members(tx, [again])
        assert groups.members(tx, pairs)["one", "bob"] == again
        groups.put_members(tx, [])


def test_members_by_page_are_those_of_now(database: Database) -> None:
    names = [f"u{number}" for number in range(7)]
    with database.transaction() as tx:
        groups.put_members(tx, [member("one", name) for name in names])
        groups.put_members(tx, [member("other", "u9")])
        groups.mark_left(tx, "one", ["u3"], 9)
        first = groups.member_page(tx, "one", "", 4)
        second = groups.member_page(tx, "one", first[-1].user, 4)
        assert [row.user for row in first + second] == ["u0", "u1", "u2", "u4", "u5", "u6"]


def test_the_groups_of_users(database: Database) -> None:
    with database.transaction() as tx:
        for name in ("one", "two", "three"):
            groups.insert(tx, group(name), NOW_MS)
        groups.put_members(tx, [member("one", "ann", 3), member("two", "ann", 5), member("three", "ann", 6)])
        groups.put_members(tx, [member("one", "bob", 4)])
        groups.mark_left(tx, "two", ["ann"], 8)
        expected = {"ann": {"one": 3, "three": 6}, "bob": {"one": 4}, "nobody": {}}
        assert groups.groups_of(tx, ["ann", "bob", "nobody"]) == expected
        page = groups.groups_page(tx, "ann", "", 1)
        assert page == [group("one")]
        assert groups.groups_page(tx, "ann", page[-1].id, 5) == [group("three")]
