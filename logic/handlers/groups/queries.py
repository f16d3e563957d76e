"""group.get, group.list, group.members: what a member may know of a group (protocol.md section 5)."""

from __future__ import annotations

from logic.handlers.access import member_of
from logic.handlers.groups.changes import group_reply
from logic.outcome import Outcome, replied
from logic.services import Services
from logic.work import Work
from protocol import replies
from protocol.errors import not_found
from store.tables import groups
from store.tables.groups import MemberRow
from store.transaction import Transaction


def _require_member(tx: Transaction, group: str, user: str) -> None:
    if member_of(tx, group, user) is None:
        raise not_found()


def member_reply(row: MemberRow) -> replies.Member:
    """A member as the other members see it."""
    return replies.Member(row.user, row.role, row.joined_seq, row.muted_until or None)


def get(work: Work, services: Services) -> Outcome:
    """A group of the caller's. Raises ImError not_found."""
    with services.database.reading() as tx:
        _require_member(tx, work.args.group, work.sender.user)
        row = groups.get(tx, [work.args.group])[work.args.group]
    return replied(replies.OneGroup(group_reply(row)))


def list_groups(work: Work, services: Services) -> Outcome:
    """A page of the caller's groups, by id."""
    args = work.args
    with services.database.reading() as tx:
        rows = groups.groups_page(tx, work.sender.user, args.after or "", args.limit + 1)
    next_ = rows[args.limit - 1].id if len(rows) > args.limit else None
    return replied(replies.Groups(groups=[group_reply(row) for row in rows[: args.limit]], next=next_))


def list_members(work: Work, services: Services) -> Outcome:
    """A page of a group's members, by user id. Raises ImError not_found where the caller is not one of them."""
    args = work.args
    with services.database.reading() as tx:
        _require_member(tx, args.group, work.sender.user)
        rows = groups.member_page(tx, args.group, args.after or "", args.limit + 1)
    next_ = rows[args.limit - 1].user if len(rows) > args.limit else None
    return replied(replies.Members(members=[member_reply(row) for row in rows[: args.limit]], next=next_))
