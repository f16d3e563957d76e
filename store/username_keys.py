"""Gives accounts from before there were keys of user names theirs (protocol/usernames.py): a step of migration 007.

Law: no account is lost. Of accounts with the same key the oldest has it; each of the others gets a key that no name
has, since names hold no spaces, and is found by exactly what its user types (store/tables/users.py).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import structlog

from protocol.usernames import username_key
from store.transaction import Transaction

_MAX_CHARACTERS = 255  # of the column
_A_STEP = 1000
_UNKEYED = "id > %s AND username IS NOT NULL AND username_key IS NULL ORDER BY id LIMIT %s"

log = structlog.get_logger()


class _Account(NamedTuple):
    created: int
    id: str
    username: str


_SELECT = f"SELECT {','.join(_Account._fields)} FROM users WHERE"


def key_usernames(tx: Transaction) -> None:
    """Give each account that has a username and no key its key, and log those whose key another account has."""
    after = ""
    while found := [_Account(*row) for row in tx.rows(f"{_SELECT} {_UNKEYED}", (after, _A_STEP))]:
        after = found[-1].id
        _key(tx, found)


def _key(tx: Transaction, accounts: list[_Account]) -> None:
    keys = {username_key(account.username) for account in accounts}
    owners = {username_key(owner.username): owner for owner in _owners(tx, keys)}
    others = []
    for account in accounts:
        key = username_key(account.username)
        if not 0 < len(key) <= _MAX_CHARACTERS:
            others.append(account)
            continue
        owner = owners.setdefault(key, account)
        if owner is not account:
            owners[key], younger = sorted((owner, account))
            others.append(younger)
    for other in others:
        log.warning("username_key_taken", user=other.id, username=other.username)
    written = [(f" {other.id}", other.id) for other in others]  # first, so that the key is free for its owner
    written += [(key, owner.id) for key, owner in owners.items()]
    tx.execute_each("UPDATE users SET username_key = %s WHERE id = %s", written)


def _owners(tx: Transaction, keys: Iterable[str]) -> list[_Account]:
    return [_Account(*row) for row in tx.rows_in(_SELECT, ("username_key",), [(key,) for key in keys])]
