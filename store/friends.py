"""Who has asked whom to be a friend."""

from __future__ import annotations

from typing import NamedTuple

from store.transaction import Transaction


class RequestRow(NamedTuple):
    """`user` asks `peer`; `time` ms."""

    user: str
    peer: str
    text: str | None
    time: int


_SELECT = f"SELECT {','.join(RequestRow._fields)} FROM friend_requests WHERE"


def put_request(tx: Transaction, row: RequestRow) -> None:
    """Raises Duplicate "friend_requests"."""
    tx.insert("friend_requests", RequestRow._fields, [row])


def request(tx: Transaction, user: str, peer: str) -> RequestRow | None:
    """What `user` has asked `peer`, if it waits for an answer."""
    row = tx.row(f"{_SELECT} user = %s AND peer = %s", (user, peer))
    return RequestRow(*row) if row else None
