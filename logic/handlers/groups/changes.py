"""group.create, invite, leave, remove: run by the owner of the group's conversation, one at a time.

Laws:
- Each leaves a notice in the group's own timeline as its event row, in the transaction that changes the other rows. So
  a send that was decided on older knowledge fails on the primary key. A retry that finds the notice sends it again.
- An invitation of people who are all members already leaves only its answer. Without that row a late retry would bring
  back somebody who has left since.
- A removed member gets the notice of it and nothing after: the push goes before the change of membership.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from logic.handlers.access import MANAGERS, member_of
from logic.once import Left, once
from logic.outcome import Outcome, message_frame, replied
from logic.scope import Scope
from logic.work import Work
from protocol import codec, content, ids, replies
from protocol.errors import conflict, forbidden, not_found, too_large
from protocol.models import Effect, Membership, Push
from protocol.ops import created_group
from store.tables import cursors, groups, users
from store.tables.groups import GroupRow, MemberRow
from store.tables.messages import MessageRow

MAX_MEMBERS = 10_000


def group_reply(row: GroupRow) -> replies.Group:
    """A group as its members see it (protocol.md section 5)."""
    return replies.Group(
        id=row.id,
        name=row.name,
        owner=row.owner,
        join=row.join_mode,
        members=row.members,
        avatar=row.avatar,
        notice=row.notice,
        mute_all=row.mute_all,
    )


class _GroupChange:
    """One change of one group within a transaction."""

    def __init__(self, work: Work, scope: Scope) -> None:
        self.tx = scope.tx
        self.scope = scope
        self.work = work
        self.group = created_group(work.sender, work.args.cid) if work.op.name == "group.create" else work.args.group
        self.conversation = ids.group_conversation(self.group)

    def group_and_caller(self) -> tuple[GroupRow, MemberRow]:
        """The group, and the caller's row in it. Raises ImError not_found: no such group, or not a member."""
        row = groups.get(self.tx, [self.group]).get(self.group)
        member = member_of(self.tx, self.group, self.work.sender.user)
        if row is None or member is None:
            raise not_found()
        return row, member

    def members(self, wanted: list[str]) -> dict[str, MemberRow]:
        """{user: row} of those of `wanted` who are members now."""
        rows = groups.members(self.tx, [(self.group, user) for user in sorted(set(wanted))])
        return {user: row for (_, user), row in rows.items() if row.left_seq is None}

    def effects(self, notice: MessageRow, is_repeated: bool) -> list[Effect]:
        """What a notice sends to others. After a retry that has found it, only users who are still members by this very
        notice are named."""
        body: dict[str, Any] = codec.read(notice.body)
        concerned: list[str] = body["users"]
        push = Push(message_frame(notice), group=self.group, seq=notice.seq)
        if body["event"] not in ("created", "joined"):
            return [push, Membership(self.group, notice.seq, left=concerned)]
        if is_repeated:
            # A gateway that has forgotten a later leave would take its user for a member again.
            present = self.members(concerned)
            concerned = [u for u in concerned if u in present and present[u].joined_seq == notice.seq]
        # The gateways of the new members may not hold the group yet, so the notice goes to these users by name, too. A
        # device that missed it and sends at once would begin at its read cursor, which is its own message.
        welcome = Push(push.frame, users=concerned)
        return [welcome, push, Membership(self.group, notice.seq, joined=concerned)]

    def append_notice(self, event: str, concerned: list[str], **more: Any) -> MessageRow:
        """Append the notice `event` about the users `concerned`: the event row of this write."""
        body = content.encode_body({"event": event, "group": self.group, "users": concerned, **more})
        return self.scope.append_event(self.work, "notice", body)

    def add_members(self, entering: list[str], seq: int, owner: str = "") -> None:
        """Write the rows of new members. They may read from `seq` on, the notice of their join."""
        rows = [MemberRow(self.group, u, "owner" if u == owner else "member", seq, None, 0) for u in sorted(entering)]
        groups.put_members(self.tx, rows)
        cursors.read_up_to(self.tx, [(user, self.conversation, seq - 1) for user in sorted(entering)])
        self.scope.timeline.tail(self.conversation).forget_members(entering)

    def remove_members(self, leaving: list[str], seq: int, remaining: int) -> None:
        """Write that members left by the notice `seq`, up to which they may read; `remaining` is how many are left."""
        groups.mark_left(self.tx, self.group, sorted(leaving), seq)
        groups.set_count(self.tx, self.group, remaining)
        self.scope.timeline.tail(self.conversation).forget_members(leaving)

    def require_room(self, entering: list[str]) -> None:
        """Refuse where one of `entering` is in as many groups as a user may be in: each of them is looked at whenever
        its user comes back. Two at once may both find room."""
        most = self.scope.rules.max_groups
        for user, count in sorted(groups.counts(self.tx, sorted(entering)).items()):
            if count >= most:
                raise too_large(f"{user} is in {count} groups: a user may be in {most} at most")

    def require_existing(self, wanted: list[str]) -> None:
        if len(users.existing(self.tx, sorted(set(wanted)))) < len(set(wanted)):
            raise not_found()


def _founders(change: _GroupChange) -> list[str]:
    return list(dict.fromkeys([change.work.sender.user, *change.work.args.members]))


def _created(change: _GroupChange) -> GroupRow:
    """The group as it was made. A retry gets it, too, whatever has become of the group since."""
    args, members = change.work.args, len(_founders(change))
    return GroupRow(change.group, args.name, args.avatar, None, change.work.sender.user, args.join, False, members)


def _create(change: _GroupChange) -> MessageRow:
    args, creator = change.work.args, change.work.sender.user
    if groups.get(change.tx, [change.group]):
        raise conflict()
    entering = _founders(change)
    change.require_existing(entering)
    change.require_room(entering)
    groups.insert(change.tx, _created(change), change.scope.now_ms)
    notice = change.append_notice("created", entering, name=args.name)
    change.add_members(entering, notice.seq, owner=creator)
    return notice


def _invite(change: _GroupChange) -> Left:
    row, caller = change.group_and_caller()
    if caller.role not in MANAGERS and row.join_mode == "invite":
        raise forbidden("only its owner and admins invite to this group")
    wanted = list(dict.fromkeys(change.work.args.users))
    change.require_existing(wanted)
    present = change.members(wanted)
    entering = [user for user in wanted if user not in present]
    if not entering:
        return replies.Reply()
    if row.members + len(entering) > MAX_MEMBERS:
        raise too_large(f"a group has at most {MAX_MEMBERS} members")
    change.require_room(entering)
    notice = change.append_notice("joined", entering, by=caller.user)
    change.add_members(entering, notice.seq)
    groups.set_count(change.tx, change.group, row.members + len(entering))
    return notice


def _leave(change: _GroupChange) -> MessageRow:
    row, caller = change.group_and_caller()
    if caller.role == "owner":
        raise forbidden("an owner transfers the group before leaving it")
    notice = change.append_notice("left", [caller.user])
    change.remove_members([caller.user], notice.seq, row.members - 1)
    return notice


def _remove(change: _GroupChange) -> MessageRow:
    row, caller = change.group_and_caller()
    if caller.role not in MANAGERS:
        raise forbidden("only the owner and admins remove members")
    wanted = list(dict.fromkeys(change.work.args.users))
    present = change.members(wanted)
    if len(present) < len(wanted):
        raise not_found()
    protected = MANAGERS if caller.role == "admin" else ("owner",)
    if any(member.role in protected for member in present.values()):
        raise forbidden("neither the owner nor, by an admin, another admin can be removed")
    notice = change.append_notice("removed", wanted, by=caller.user)
    change.remove_members(wanted, notice.seq, row.members - len(wanted))
    return notice


def create(work: Work, scope: Scope) -> Outcome:
    """Make a group with the caller as its owner; the reply holds it as it was made, to a retry, too. Raises ImError
    not_found for a member that does not exist, too_large where one is in as many groups as it may be, conflict."""
    change = _GroupChange(work, scope)
    made = replies.OneGroup(group_reply(_created(change)))
    return once(work, scope, lambda: _create(change), lambda row, again: replied(made, *change.effects(row, again)))


def invite(work: Work, scope: Scope) -> Outcome:
    """Add users; where all are members already, nothing is sent to anybody. Raises ImError not_found, forbidden,
    too_large over 10,000 members, or where one of the users is in as many groups as it may be, conflict."""
    return _changed(work, scope, _invite)


def leave(work: Work, scope: Scope) -> Outcome:
    """Remove the caller. Raises ImError not_found, forbidden for the owner, conflict."""
    return _changed(work, scope, _leave)


def remove(work: Work, scope: Scope) -> Outcome:
    """Remove members; for the owner and admins. Raises ImError not_found where the caller or one of the users is no
    member, forbidden, conflict."""
    return _changed(work, scope, _remove)


def _changed(work: Work, scope: Scope, decide: Callable[[_GroupChange], Left]) -> Outcome:
    change = _GroupChange(work, scope)
    empty = replies.Reply()
    return once(work, scope, lambda: decide(change), lambda row, again: replied(empty, *change.effects(row, again)))
