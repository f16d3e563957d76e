"""Friend requests that have no answer yet: at most one from a user to a peer."""

from __future__ import annotations

from typing import NamedTuple

from store.transaction import Transaction


class RequestRow(NamedTuple):
    """`user` asks `peer` to be a friend, with the words `text`, at `time` (ms)."""

    user: str
    peer: str
    text: str | None
    time: int


_SELECT = f"SELECT {','.join(RequestRow._fields)} FROM friend_requests WHERE"


def put_request(tx: Transaction, row: RequestRow) -> None:
    """Insert a request. Raises Duplicate "friend_requests" where this user has asked this peer already."""
    tx.insert("friend_requests", RequestRow._fields, [row])


def request(tx: Transaction, user: str, peer: str) -> RequestRow | None:
    """The request of `user` to `peer`, None where none waits for an answer."""
    row = tx.row(f"{_SELECT} user = %s AND peer = %s", (user, peer))
    return RequestRow(*row) if row else None
