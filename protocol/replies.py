"""One struct per reply (protocol.md section 5): encoded, it is the `data` of the reply frame."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Raw


class Reply(msgspec.Struct, omit_defaults=True):
    """Base of every reply; an empty one is `{}`."""


class User(Reply):
    id: str
    name: str
    avatar: str | None = None
    bio: str | None = None


class Group(Reply):
    id: str
    name: str
    owner: str
    join: str
    members: int
    avatar: str | None = None
    notice: str | None = None
    mute_all: bool = False


class Member(Reply):
    user: str
    role: str
    joined_seq: int
    muted_until: int | None = None


class Message(Reply):
    """A message as clients see it, in pushes, history and sync alike. `body` is its stored JSON; `changed` the seq of
    the last event that is folded into it."""

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
    """`expires` is the end of `token` in ms."""

    token: str
    refresh: str
    expires: int


class LoggedIn(Reply):
    user: User
    token: str
    refresh: str
    expires: int


class SessionOpened(Reply):
    """Internal: what a gateway needs to answer a login. `groups` {group: seq of the event that put the user in}."""

    user: User
    epoch: str
    groups: dict[str, int] = {}


class SessionsRefreshed(Reply):
    """Internal: `ended` sessions are no longer valid; `groups` {user: {group: seq}} for every user asked for."""

    ended: list[str]
    groups: dict[str, dict[str, int]]


class Sent(Reply, omit_defaults=False):
    conversation: str
    seq: int
    time: int
    duplicate: bool


class Event(Reply, omit_defaults=False):
    """`seq` is that of the event which a change of a message left."""

    seq: int


class Users(Reply, omit_defaults=False):
    users: list[User]


class OneUser(Reply):
    user: User


class OneGroup(Reply):
    group: Group


class Groups(Reply, kw_only=True):
    groups: list[Group]
    next: str | None = None


class Members(Reply, kw_only=True):
    members: list[Member]
    next: str | None = None


class Messages(Reply):
    messages: list[Message]
    max_seq: int


class ReadUpTo(Reply):
    read_seq: int


class ConversationView(Reply, kw_only=True):
    """A conversation as one user sees it. `read_seq` and `unread` are always there; `last` may be missing."""

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
    conversations: list[ConversationView]
    next: str | None = None


class SyncedConversation(Reply, kw_only=True):
    """`from_` is the first seq that may be had beyond the cursor: a client sets last = max(last, from - 1)."""

    conversation: str
    max_seq: int
    read_seq: int
    unread: int
    from_: int = msgspec.field(name="from")


class Synced(Reply, kw_only=True):
    epoch: str
    conversations: list[SyncedConversation]
    messages: list[Message]
    more: list[str]
    gone: list[str]
    next: str | None = None


class Typing(Reply):
    """Of the push: `user` is writing something."""

    conversation: str
    user: str


class Receipt(Reply):
    conversation: str
    user: str
    read_seq: int


def encode(reply: Any) -> bytes:
    """The reply frame's data."""
    return msgspec.json.encode(reply)
