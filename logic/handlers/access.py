"""Who is a member, who manages, what a user may read: decided here for handlers (message.send asks its cache first)."""

from __future__ import annotations

from typing import NamedTuple

from logic.timeline import NEVER_WRITTEN
from protocol import ids
from protocol.errors import not_found
from store.tables import groups, messages, users
from store.tables.groups import MemberRow
from store.transaction import Transaction

MANAGERS = ("owner", "admin")


class Readable(NamedTuple):
    """The seqs from `first` to `last` may be read; `last` is 0 where nothing was written."""

    first: int
    last: int


def member_of(tx: Transaction, group: str, user: str) -> MemberRow | None:
    """The row of `user` in `group`; None for somebody who never was a member, or who left."""
    row = groups.members(tx, [(group, user)]).get((group, user))
    return row if row is not None and row.left_seq is None else None


def readable(tx: Transaction, user: str, conversation: str) -> Readable:
    """The seqs that `user` may read. Raises ImError not_found: not a member, not one of the users of `p:` or `s:`, no
    such group, or a peer that does not exist.

    The tail is read first and the membership last, so a member at the end of it could read all up to `last`, also where
    each statement sees what was committed just before it (a transaction that writes).
    """
    parsed = ids.parse_conversation(conversation)
    if parsed is None:
        raise not_found()
    if parsed.kind != "g" and user not in parsed.users:
        raise not_found()
    last = messages.tails(tx, [conversation]).get(conversation, NEVER_WRITTEN).seq
    if parsed.kind == "g":
        member = member_of(tx, parsed.group, user)
        if member is None:
            raise not_found()
        return Readable(member.joined_seq, last)
    if last == 0 and len(users.existing(tx, sorted(set(parsed.users)))) < len(set(parsed.users)):
        raise not_found()
    return Readable(1, last)
