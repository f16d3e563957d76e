"""One struct for each reply: encoded it is the `data` of the reply frame (protocol.md section 5).

Times are integer milliseconds since 1970 UTC. A field that has its default is left out, unless the struct says
`omit_defaults=False`. `next` is where the next page begins, given back as `after`; None on the last page.
"""

from __future__ import annotations

from typing import Any, ClassVar, Self

import msgspec
from msgspec import Raw


class Reply(msgspec.Struct, omit_defaults=True):
    """Base of every reply. `Reply()` itself is `{}`."""


class Page(Reply, kw_only=True):
    """Base of every reply with a list that may be long. `listed` is the field of the list, `named_by` the field of an
    entry that `next` holds, where more entries follow that one."""

    listed: ClassVar[str]
    named_by: ClassVar[str]

    next: str | None = None

    @property
    def entries(self) -> list[Any]:
        entries: list[Any] = getattr(self, self.listed)
        return entries

    def first(self, count: int) -> Self:
        """The page that holds only the first `count` entries, and says so."""
        kept = self.entries[:count]
        return msgspec.structs.replace(self, next=getattr(kept[-1], self.named_by), **{self.listed: kept})


class User(Reply):
    """A user as everybody sees it."""

    id: str
    name: str
    avatar: str | None = None
    bio: str | None = None


class Group(Reply):
    """A group as its members see it: `owner` is a user, `join` open, approval or invite, `members` their number."""

    id: str
    name: str
    owner: str
    join: str
    members: int
    avatar: str | None = None
    notice: str | None = None
    mute_all: bool = False


class Member(Reply):
    """A member of a group: `role` is owner, admin or member, `joined_seq` the seq of the notice of the join,
    `muted_until` a time in ms."""

    user: str
    role: str
    joined_seq: int
    muted_until: int | None = None


class Message(Reply):
    """A message as clients see it, in pushes, history and sync alike.

    `body` is its stored JSON, `mentions` are users or "all", `reply_to` is a seq, `changed` the seq of the last event
    that is folded into the message.
    """

    conversation: str
    seq: int
    cid: str
    sender: str
    type: str
    body: Raw
    time: int
    mentions: list[str] | None = None
    reply_to: int | None = None
    changed: int | None = None
    recalled: bool = False


class Tokens(Reply):
    """`token` is an access token and `expires` its end (ms); `refresh` is for token.refresh: each use of
    it gives the same successor."""

    token: str
    refresh: str
    expires: int


class LoggedIn(Reply):
    """The answer to a login by password: the user, and Tokens."""

    user: User
    token: str
    refresh: str
    expires: int


class SessionOpened(Reply):
    """Internal: what a gateway needs to answer a login. `epoch` is the store's, `groups` {group: joined_seq}. The
    session lasts for `lasts_ms` more, unless it is refreshed; how long it lasts is the same by every clock."""

    user: User
    epoch: str
    groups: dict[str, int] = {}
    lasts_ms: int | None = None


class SessionsRefreshed(Reply):
    """Internal: the answer to session.refresh. `ended` are sessions that are not valid any more, `expired` those whose
    time has run out; `groups` is {user: {group: joined_seq}} with every user asked for."""

    ended: list[str]
    groups: dict[str, dict[str, int]]
    expired: list[str] = []


class SessionsChecked(Reply):
    """Internal: the answer to session.check. `lasting` {session: for how many more ms}, `ended` {reason: sessions}."""

    lasting: dict[str, int] = {}
    ended: dict[str, list[str]] = {}


class Sent(Reply, omit_defaults=False):
    """Where a message stands; `duplicate`: it stood there before, and this was a retry."""

    conversation: str
    seq: int
    time: int
    duplicate: bool


class Event(Reply, omit_defaults=False):
    """The seq of the event that a change of a message has left."""

    seq: int


class Users(Page, kw_only=True):
    """Some users, in the order in which they were asked for; ids that do not exist are left out."""

    listed: ClassVar[str] = "users"
    named_by: ClassVar[str] = "id"

    users: list[User]


class OneUser(Reply):
    """`{"user":{...}}`"""

    user: User


class OneGroup(Reply):
    """`{"group":{...}}`"""

    group: Group


class Groups(Page, kw_only=True):
    """A page of groups, by id."""

    listed: ClassVar[str] = "groups"
    named_by: ClassVar[str] = "id"

    groups: list[Group]


class Members(Page, kw_only=True):
    """A page of members, by user id."""

    listed: ClassVar[str] = "members"
    named_by: ClassVar[str] = "user"

    members: list[Member]


class Messages(Reply):
    """A page of a conversation, ascending by seq; `max_seq` is the seq of its last message, 0 where there is none.
    `more`: there are further messages in the direction that was asked for."""

    messages: list[Message]
    max_seq: int
    more: bool = False


class ReadUpTo(Reply):
    """How far the caller has read now, which may be further than it asked for."""

    read_seq: int


class ConversationView(Reply, kw_only=True):
    """A conversation as one user sees it. `last` is the message at `max_seq`, `unread` at most 1000, `peer_read_seq`
    how far the peer of a private conversation has read."""

    conversation: str
    max_seq: int
    read_seq: int
    unread: int
    mentioned: bool
    last: Message | None = None
    pinned: bool
    muted: bool
    draft: str
    peer_read_seq: int | None = None


class Conversations(Reply, kw_only=True):
    """A page of conversations, the most recently active first."""

    conversations: list[ConversationView]
    next: str | None = None


class SyncedConversation(Reply, kw_only=True):
    """A conversation that changed beyond the client's cursor, or has unread messages (at most 1000 are counted).

    `from_` is the first seq beyond the cursor that may be read: a client sets last = max(last, from - 1).
    """

    conversation: str
    max_seq: int
    read_seq: int
    unread: int
    from_: int = msgspec.field(name="from")


class Synced(Reply, kw_only=True):
    """A page of what a client lacks at the time `time` (ms). `messages` ascend by seq within a conversation; `more` are
    conversations of which only a part of the messages is here, `gone` those of the cursors that the user is not in any
    more."""

    epoch: str
    time: int
    conversations: list[SyncedConversation]
    messages: list[Message]
    more: list[str]
    gone: list[str]
    next: str | None = None


class Typing(Reply):
    """The data of a `typing` push: `user` is writing in `conversation` (protocol.md section 6)."""

    conversation: str
    user: str


class Receipt(Reply):
    """The data of a `receipt` push: `user` has read up to `read_seq` (protocol.md section 6)."""

    conversation: str
    user: str
    read_seq: int
