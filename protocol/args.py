"""One struct for each op: what its `data` must hold (protocol.md section 5). Types, ranges and lengths; no meaning.

Lengths of strings count characters. An `Ident` is a user's or a group's id, a `Seq` an integer from 1, a `Position` one
from 0. Each docstring shows the literal `data`. A struct is decoded by msgspec, so a wrong field is found there
(protocol/ops.py `read_args`), and making one in Python checks nothing.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from protocol.ids import CID_PATTERN, ID_PATTERN
from protocol.models import Device, Takeover, Terminal
from protocol.visible import EMPTY_OR_VISIBLE, VISIBLE

Ident = Annotated[str, Meta(pattern=ID_PATTERN)]
Cid = Annotated[str, Meta(pattern=CID_PATTERN)]
ConversationId = Annotated[str, Meta(min_length=3, max_length=132)]
Seq = Annotated[int, Meta(ge=1, le=2**53)]
Position = Annotated[int, Meta(ge=0, le=2**53)]
Name = Annotated[str, Meta(max_length=64, pattern=VISIBLE)]
Url = Annotated[str, Meta(max_length=1024)]
Username = Annotated[str, Meta(pattern=r"^[^\s\x00-\x1f\x7f]{1,64}\Z")]
Password = Annotated[str, Meta(min_length=1, max_length=128)]
Limit = Annotated[int, Meta(ge=1, le=200)]
Token = Annotated[str, Meta(min_length=1, max_length=4096)]
JoinMode = Literal["open", "approval", "invite"]


class Args(msgspec.Struct, omit_defaults=True):
    """Base of the arguments of an op that only reads; `{}` where it has none."""


class WriteArgs(Args, kw_only=True):
    """Base of the arguments of an op that writes. `cid` is the client's own id of the write (protocol.md section 1);
    where the client gave none ("") the gateway gives one that begins with `~`."""

    cid: Cid = ""

    def without_secrets(self) -> WriteArgs:
        """These arguments as a digest may be taken of them: of a password not even a digest is kept."""
        return self


class Register(WriteArgs):
    """`{"username":"alice","password":"correct horse","name":"Alice"}`; without `name` people see the user name."""

    username: Username
    password: Annotated[str, Meta(min_length=8, max_length=128)]
    name: Name | None = None

    def without_secrets(self) -> Register:
        """Without the password, which is verified each time."""
        return msgspec.structs.replace(self, password="")


class Login(WriteArgs):
    """`{"username":"alice","password":"correct horse","terminal":"app","device":"d1"}`"""

    username: Username
    password: Password
    terminal: Terminal = "web"
    device: Device = ""

    def without_secrets(self) -> Login:
        """Without the password, which is verified each time."""
        return msgspec.structs.replace(self, password="")


class ChangePassword(WriteArgs):
    """`{"old":"correct horse","new":"battery staple"}`"""

    old: Password
    new: Annotated[str, Meta(min_length=8, max_length=128)]

    def without_secrets(self) -> ChangePassword:
        """The cid alone: its handler takes a digest of the passwords that costs what their hash costs."""
        return ChangePassword("", "", cid=self.cid)


class Logout(WriteArgs):
    """`{"all":true}`: every session of the user ends, not only this one."""

    all: bool = False


class Refresh(WriteArgs):
    """`{"refresh":"..."}`: the refresh token of an earlier login or refresh."""

    refresh: Token


class OpenSession(Args):
    """Internal: what a gateway asks before it answers a login. `user` and `session` are claims of the verified token;
    `takeover` is told to other gateways if the session is valid."""

    user: str
    session: str
    takeover: Takeover | None = None


class RefreshSessions(Args):
    """Internal: what a gateway asks after it may have missed something. `sessions` {session: user} of all connections
    that it holds; `takeovers` are told again to other gateways that seem not to have heard of them."""

    sessions: dict[str, str]
    takeovers: list[Takeover] = []


class CheckSessions(Args):
    """Internal: what a gateway asks when sessions should be over. `sessions` {session: user}."""

    sessions: dict[str, str]


class GetUsers(Args):
    """`{"ids":["alice","bob"]}`, 1 to 200; `after` is the `next` of the answer before, to the same `ids`."""

    ids: Annotated[list[Ident], Meta(min_length=1, max_length=200)]
    after: Ident | None = None


class UpdateUser(WriteArgs):
    """`{"name":"Alice","avatar":"https://...","bio":"..."}`; a field that is missing stays as it is."""

    name: Name | None = None
    avatar: Url | None = None
    bio: Annotated[str, Meta(max_length=1024)] | None = None


class SendMessage(WriteArgs):
    """`{"conversation":"p:alice:bob","cid":"c1","type":"text","body":{"text":"hello"}}`

    Here the cid is required. `type` and `body` are checked by protocol/content.py; `mentions` are users, or "all".
    """

    conversation: ConversationId
    cid: Cid
    type: Annotated[str, Meta(min_length=1, max_length=16)]
    body: dict[str, Any]
    mentions: Annotated[list[Ident], Meta(max_length=200)] | None = None
    reply_to: Seq | None = None


class AppendNotice(WriteArgs):
    """Internal: what the system tells a user. `conversation` is `s:{user}`, `body` `{"event":...,...}`."""

    conversation: ConversationId
    body: dict[str, Any]


class Typing(Args):
    """`{"conversation":"p:alice:bob"}`: the caller is writing there."""

    conversation: ConversationId


class History(Args):
    """`{"conversation":"g:team","after":40,"limit":100}`; `before` and `after` are seqs and exclude each other."""

    conversation: ConversationId
    before: Seq | None = None
    after: Position | None = None
    limit: Limit = 50


class ReadMessage(WriteArgs):
    """`{"conversation":"p:alice:bob","seq":7}`: the caller has read up to this seq."""

    conversation: ConversationId
    seq: Seq


class RecallMessage(WriteArgs):
    """`{"conversation":"p:alice:bob","seq":7}`: what this message says is erased for everybody."""

    conversation: ConversationId
    seq: Seq


class Sync(Args):
    """`{"cursors":{"p:alice:bob":17},"epoch":"..."}`: the last seq that the client has, by conversation; at most 400.

    `epoch` is that of an earlier answer; `only` leaves out conversations that `cursors` does not name; `after` is the
    `next` of the page before; `since` is the `time` (ms) of the answer to the last sync that was completed.
    """

    cursors: Annotated[dict[ConversationId, Position], Meta(max_length=400)]
    epoch: Annotated[str, Meta(max_length=64)] | None = None
    only: bool = False
    after: Annotated[str, Meta(max_length=256)] | None = None
    since: Position | None = None


class ListConversations(Args):
    """`{"limit":50}`; `after` is the `next` of the page before."""

    after: Annotated[str, Meta(max_length=256)] | None = None
    limit: Limit = 50


class RequestFriend(WriteArgs):
    """`{"user":"bob","text":"we met in Kunming"}`"""

    user: Ident
    text: Annotated[str, Meta(max_length=256, pattern=EMPTY_OR_VISIBLE)] | None = None


class CreateGroup(WriteArgs):
    """`{"name":"Team","members":["bob","carol"]}`; the caller becomes its owner and need not be named."""

    name: Name
    members: Annotated[list[Ident], Meta(max_length=500)]
    avatar: Url | None = None
    join: JoinMode = "invite"


class GroupOnly(Args):
    """`{"group":"team"}`"""

    group: Ident


class LeaveGroup(WriteArgs):
    """`{"group":"team"}`: the caller leaves."""

    group: Ident


class ListGroups(Args):
    """`{"limit":200}`: the caller's groups by id; `after` is the `next` of the page before."""

    after: Ident | None = None
    limit: Limit = 200


class ListMembers(Args):
    """`{"group":"team","limit":200}`: its members by user id; `after` is the `next` of the page before."""

    group: Ident
    after: Ident | None = None
    limit: Limit = 200


class GroupUsers(WriteArgs):
    """`{"group":"team","users":["dave"]}`: whom to invite or to remove."""

    group: Ident
    users: Annotated[list[Ident], Meta(min_length=1, max_length=500)]
