"""One struct per op: what a client's `data` must hold (protocol.md section 5). Types, ranges and lengths; no meaning.

`ident` is a user's or a group's id, `conversation` a conversation id, `seq` an integer from 1. The literal bytes of a
call stand in the docstrings of those that are most used.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from protocol.ids import CID_PATTERN, ID_PATTERN
from protocol.models import Takeover, Terminal

Ident = Annotated[str, Meta(pattern=ID_PATTERN)]
Cid = Annotated[str, Meta(pattern=CID_PATTERN)]
ConversationId = Annotated[str, Meta(min_length=3, max_length=132)]
Seq = Annotated[int, Meta(ge=1, le=2**53)]
Position = Annotated[int, Meta(ge=0, le=2**53)]
Name = Annotated[str, Meta(min_length=1, max_length=64)]
Url = Annotated[str, Meta(max_length=1024)]
Username = Annotated[str, Meta(pattern=r"^[^\s\x00-\x1f\x7f]{1,64}\Z")]
Password = Annotated[str, Meta(min_length=1, max_length=128)]
Limit = Annotated[int, Meta(ge=1, le=200)]
Token = Annotated[str, Meta(min_length=1, max_length=4096)]
Device = Annotated[str, Meta(max_length=128)]
JoinMode = Literal["open", "approval", "invite"]


class Args(msgspec.Struct, omit_defaults=True):
    """Arguments of an op that only reads."""


class WriteArgs(Args, kw_only=True):
    """Arguments of an op that writes: each takes a cid; where the client gave none, the gateway gives one."""

    cid: Cid = ""

    def without_secrets(self) -> WriteArgs:
        """What a digest may be taken of: of a password not even that is kept."""
        return self


class Register(WriteArgs):
    username: Username
    password: Annotated[str, Meta(min_length=8, max_length=128)]
    name: Name | None = None


class Login(WriteArgs):
    username: Username
    password: Password
    terminal: Terminal = "web"
    device: Device = ""


class ChangePassword(WriteArgs):
    old: Password
    new: Annotated[str, Meta(min_length=8, max_length=128)]

    def without_secrets(self) -> ChangePassword:
        return ChangePassword("", "", cid=self.cid)


class Logout(WriteArgs):
    all: bool = False


class Refresh(WriteArgs):
    refresh: Token


class OpenSession(Args):
    """Internal: what a gateway asks before it answers a login; the claims of the verified token, and what the login
    takes over where the session stands."""

    user: str
    session: str
    takeover: Takeover | None = None


class RefreshSessions(Args):
    """Internal: `sessions` {session: user} of everyone that a gateway holds, after it may have missed something;
    `takeovers` of which others seem not to have heard."""

    sessions: dict[str, str]
    takeovers: list[Takeover] = []


class GetUsers(Args):
    ids: Annotated[list[Ident], Meta(min_length=1, max_length=200)]


class UpdateUser(WriteArgs):
    name: Name | None = None
    avatar: Url | None = None
    bio: Annotated[str, Meta(max_length=1024)] | None = None


class SendMessage(WriteArgs):
    """`{"conversation":"p:alice:bob","cid":"c1","type":"text","body":{"text":"hello"}}`"""

    conversation: ConversationId
    cid: Cid
    type: Annotated[str, Meta(min_length=1, max_length=16)]
    body: dict[str, Any]
    mentions: Annotated[list[Ident], Meta(max_length=200)] | None = None
    reply_to: Seq | None = None


class AppendNotice(WriteArgs):
    """Internal: what the system tells a user, in `s:{user}`; `body` is that of the notice."""

    conversation: ConversationId
    body: dict[str, Any]


class Typing(Args):
    """`{"conversation":"p:alice:bob"}`"""

    conversation: ConversationId


class History(Args):
    """`{"conversation":"g:team","after":40,"limit":100}`; `before` and `after` exclude each other."""

    conversation: ConversationId
    before: Seq | None = None
    after: Position | None = None
    limit: Limit = 50


class ReadMessage(WriteArgs):
    conversation: ConversationId
    seq: Seq


class RecallMessage(WriteArgs):
    """`{"conversation":"p:alice:bob","seq":7}`: what it says is erased for everybody."""

    conversation: ConversationId
    seq: Seq


class Sync(Args):
    """`{"cursors":{"p:alice:bob":17},"epoch":"..."}`: what the client has, by conversation."""

    cursors: Annotated[dict[ConversationId, Position], Meta(max_length=400)]
    epoch: Annotated[str, Meta(max_length=64)] | None = None
    only: bool = False
    after: Annotated[str, Meta(max_length=256)] | None = None


class ListConversations(Args):
    after: Annotated[str, Meta(max_length=256)] | None = None
    limit: Limit = 50


class RequestFriend(WriteArgs):
    """`{"user":"bob","text":"we met in Kunming"}`"""

    user: Ident
    text: Annotated[str, Meta(max_length=256)] | None = None


class CreateGroup(WriteArgs):
    name: Name
    members: Annotated[list[Ident], Meta(max_length=500)]
    avatar: Url | None = None
    join: JoinMode = "invite"


class GroupOnly(Args):
    group: Ident


class LeaveGroup(WriteArgs):
    group: Ident


class ListGroups(Args):
    after: Ident | None = None
    limit: Limit = 200


class ListMembers(Args):
    group: Ident
    after: Ident | None = None
    limit: Limit = 200


class GroupUsers(WriteArgs):
    group: Ident
    users: Annotated[list[Ident], Meta(min_length=1, max_length=500)]
