"""Accounts. A user without a username was made by the platform and cannot log in by password.

Law: every account with a username has its key (protocol/usernames.py), under which nobody else can register. Of older
accounts with the same key one has it; each of the others has a key that no name has, and is found by its exact name.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from protocol.usernames import username_key
from store.transaction import Transaction


class UserRow(NamedTuple):
    """An account. `password` is an argon2 hash. A disabled user cannot log in."""

    id: str
    username: str | None
    password: str | None
    name: str
    avatar: str | None = None
    bio: str | None = None
    disabled: bool = False


_COLUMNS = (*UserRow._fields, "username_key", "created")
_SELECT = f"SELECT {','.join(UserRow._fields)} FROM users WHERE"


def _user(row: tuple[object, ...]) -> UserRow:
    user = UserRow(*row)  # type: ignore[arg-type]
    return user._replace(disabled=bool(user.disabled))


def insert(tx: Transaction, row: UserRow, now_ms: int) -> None:
    """Insert an account made at `now_ms`. Raises Duplicate "users.id", or "users.username" where this name, or one
    with its key, is taken."""
    tx.insert("users", _COLUMNS, [_written(row, now_ms)])


def insert_missing(tx: Transaction, rows: Sequence[UserRow], now_ms: int) -> int:
    """Insert the rows whose id does not exist yet; returns how many. Raises Duplicate as `insert` does."""
    there = existing(tx, [row.id for row in rows])
    missing = {row.id: row for row in rows if row.id not in there}
    return tx.insert("users", _COLUMNS, [_written(row, now_ms) for _, row in sorted(missing.items())])


def by_username(tx: Transaction, username: str) -> UserRow | None:
    """The account with exactly this user name, or else the one whose name has the same key; None where there is none.
    One statement, whatever there is: how long it takes tells nothing."""
    key = username_key(username)
    sql = f"{_SELECT} username = %s UNION ALL {_SELECT} username_key = %s"
    rows = [_user(row) for row in tx.rows(sql, (username, key))]
    exact = next((row for row in rows if row.username == username), None)
    # MariaDB ignores spaces at the end when it compares
    return exact or next((row for row in rows if username_key(row.username or "") == key), None)


def get(tx: Transaction, ids: Iterable[str]) -> dict[str, UserRow]:
    """{id: user} of those `ids` that exist, disabled users included."""
    return {str(row[0]): _user(row) for row in tx.rows_in(_SELECT, ("id",), [(user,) for user in ids])}


def existing(tx: Transaction, ids: Iterable[str]) -> set[str]:
    """Those of `ids` that are users."""
    return {str(row[0]) for row in tx.rows_in("SELECT id FROM users WHERE", ("id",), [(user,) for user in ids])}


def update(
    tx: Transaction, user: str, name: str | None = None, avatar: str | None = None, bio: str | None = None
) -> bool:
    """Write the values that are not None; returns whether the user exists."""
    changes = {key: value for key, value in (("name", name), ("avatar", avatar), ("bio", bio)) if value is not None}
    if not changes:
        return user in existing(tx, [user])
    assignments = ", ".join(f"{key} = %s" for key in changes)
    return tx.execute(f"UPDATE users SET {assignments} WHERE id = %s", [*changes.values(), user]) > 0


def _written(row: UserRow, now_ms: int) -> tuple[object, ...]:
    return (*row, None if row.username is None else username_key(row.username), now_ms)


def set_password(tx: Transaction, user: str, password: str, verified: str | None) -> bool:
    """Write the hash `password` if the stored one is still `verified`; returns whether it was."""
    sql = "UPDATE users SET password = %s WHERE id = %s AND password = %s"
    return tx.execute(sql, (password, user, verified)) > 0


def hold_password(tx: Transaction, user: str, verified: str | None) -> bool:
    """Whether the stored hash is still `verified`. If so, its row is locked: nobody changes it until this transaction
    ends."""
    return tx.execute("UPDATE users SET password = password WHERE id = %s AND password = %s", (user, verified)) > 0


def set_disabled(tx: Transaction, user: str, disabled: bool) -> None:
    """Let a user log in no more, or again. Sessions are not ended by it."""
    tx.execute("UPDATE users SET disabled = %s WHERE id = %s", (int(disabled), user))
