"""Groups, their members, and those who left. A user who left keeps the row: it says up to where the user may read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from store.transaction import Transaction


class GroupRow(NamedTuple):
    """A group. `owner` is a user, `join_mode` open, approval or invite, `members` how many there are now."""

    id: str
    name: str
    avatar: str | None
    notice: str | None
    owner: str
    join_mode: str
    mute_all: bool
    members: int


class MemberRow(NamedTuple):
    """A membership. `role` is owner, admin or member; `joined_seq` and `left_seq` are the seqs of the notices of the
    join and of the leave (None: a member now); `muted_until` a time in ms, 0 for nobody who is muted."""

    group: str
    user: str
    role: str
    joined_seq: int
    left_seq: int | None
    muted_until: int


_GROUP_COLUMNS = GroupRow._fields
_MEMBER_COLUMNS = ("chat_group", "user", "role", "joined_seq", "left_seq", "muted_until")
_SELECT = f"SELECT {','.join(_GROUP_COLUMNS)} FROM chat_groups WHERE"
_SELECT_MEMBERS = f"SELECT {','.join(_MEMBER_COLUMNS)} FROM members WHERE"


def _group(row: tuple[object, ...]) -> GroupRow:
    group = GroupRow(*row)  # type: ignore[arg-type]
    return group._replace(mute_all=bool(group.mute_all))


def insert(tx: Transaction, row: GroupRow, now_ms: int) -> None:
    """Insert a group that was made at `now_ms`. Raises Duplicate "chat_groups.id"."""
    tx.insert("chat_groups", (*_GROUP_COLUMNS, "created"), [(*row, now_ms)])


def get(tx: Transaction, ids: Iterable[str]) -> dict[str, GroupRow]:
    """{id: group} of those `ids` that exist."""
    return {str(row[0]): _group(row) for row in tx.rows_in(_SELECT, ("id",), [(group,) for group in ids])}


def replace(tx: Transaction, row: GroupRow) -> None:
    """Write name, avatar, notice, owner, join mode and mute_all of an existing group; not its count of members."""
    columns = _GROUP_COLUMNS[1:-1]
    changes = ", ".join(f"{name} = %s" for name in columns)
    values = [*row[1:6], int(row.mute_all), row.id]
    tx.execute(f"UPDATE chat_groups SET {changes} WHERE id = %s", values)


def set_count(tx: Transaction, group: str, members: int) -> None:
    """Write how many members a group has. Its owner, who writes alone, knows."""
    tx.execute("UPDATE chat_groups SET members = %s WHERE id = %s", (members, group))


def put_members(tx: Transaction, rows: Sequence[MemberRow]) -> None:
    """Insert memberships; somebody who comes back gets the new one in place of the former. Of two rows of one (group,
    user) the later counts."""
    by_key = {(row.group, row.user): row for row in rows}
    changed = ("role", "joined_seq", "left_seq", "muted_until")
    tx.upsert(
        "members", _MEMBER_COLUMNS, [by_key[key] for key in sorted(by_key)], key=("chat_group", "user"), replace=changed
    )


def mark_left(tx: Transaction, group: str, users: Iterable[str], seq: int) -> None:
    """Write that `users` left, or were removed, by the notice `seq`. Those who had left before keep their left_seq."""
    sql = "UPDATE members SET left_seq = %s WHERE chat_group = %s AND left_seq IS NULL AND"
    tx.execute_in(sql, ("user",), [(user,) for user in sorted(set(users))], (seq, group))


def members(tx: Transaction, pairs: Iterable[tuple[str, str]]) -> dict[tuple[str, str], MemberRow]:
    """{(group, user): row} of those `pairs` that have a row, of users who left, too."""
    rows = [MemberRow(*row) for row in tx.rows_in(_SELECT_MEMBERS, ("chat_group", "user"), pairs)]
    return {(row.group, row.user): row for row in rows}


def member_page(tx: Transaction, group: str, after: str, limit: int) -> list[MemberRow]:
    """The first `limit` members of now whose user id is above `after` ("" for all), ascending by user id."""
    sql = f"{_SELECT_MEMBERS} chat_group = %s AND user > %s AND left_seq IS NULL ORDER BY user LIMIT %s"
    return [MemberRow(*row) for row in tx.rows(sql, (group, after, limit))]


def groups_of(tx: Transaction, users: Iterable[str]) -> dict[str, dict[str, int]]:
    """{user: {group: joined_seq}} of the groups that each user is in now; {} for a user in none."""
    found: dict[str, dict[str, int]] = {user: {} for user in users}
    sql = "SELECT user, chat_group, joined_seq FROM members WHERE left_seq IS NULL AND"
    for user, group, joined_seq in tx.rows_in(sql, ("user",), [(user,) for user in found]):
        found[str(user)][str(group)] = int(joined_seq)
    return found


def counts(tx: Transaction, users: Iterable[str]) -> dict[str, int]:
    """{user: in how many groups it is now} of those `users` who are in one; reads an index entry for each group."""
    sql = "SELECT user, COUNT(*) FROM members WHERE left_seq IS NULL AND"
    rows = tx.rows_in(sql, ("user",), [(user,) for user in users], end="GROUP BY user")
    return {str(user): int(count) for user, count in rows}


def groups_page(tx: Transaction, user: str, after: str, limit: int) -> list[GroupRow]:
    """The first `limit` groups that the user is in now whose id is above `after` ("" for all), ascending by id."""
    columns = ",".join(f"g.{name}" for name in _GROUP_COLUMNS)
    sql = (
        f"SELECT {columns} FROM members m JOIN chat_groups g ON g.id = m.chat_group"
        " WHERE m.user = %s AND m.left_seq IS NULL AND m.chat_group > %s ORDER BY m.chat_group LIMIT %s"
    )
    return [_group(row) for row in tx.rows(sql, (user, after, limit))]
