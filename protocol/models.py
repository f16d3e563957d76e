"""The ten generic models, named as in the seed documents, and the parts they are made of.

What a client shows is LoginInfo; who it then is, SessionInfo. A command going up is a ReceiveInfo, a frame going down a
SendInfo; many of either cross RabbitMQ in one TopicMessage. Times are integer milliseconds since 1970 UTC.
"""

from __future__ import annotations

from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

import msgspec
from msgspec import Raw

from protocol.reach import EVERYWHERE, ORIGIN, Reach

Terminal = Literal["web", "app", "pc", "mini", "pad", "tv", "bot"]


class LoginInfo(msgspec.Struct):
    """What a client presents in its first frame (protocol.md section 3)."""

    token: str
    terminal: Terminal
    device: str = ""
    client: str = ""


class SessionInfo(msgspec.Struct, frozen=True):
    """Who a verified connection is: the claims of its token. `issued` and `expires` in ms."""

    user: str
    session: str
    terminal: str
    device: str
    issued: int
    expires: int


class UserInfo(msgspec.Struct, frozen=True):
    """A user at a terminal, as sender or receiver; `terminal` is "" where every one is meant."""

    user: str
    terminal: str = ""


class Heartbeat(msgspec.Struct):
    """Keep-alive of a connection: the server's clock in ms."""

    time: int


class Content(msgspec.Struct, omit_defaults=True):
    """What a message says: a type of protocol.md section 5 and the body that belongs to it."""

    type: str
    body: dict[str, Any]
    mentions: list[str] | None = None
    reply_to: int | None = None


class PrivateMessage(msgspec.Struct):
    """One to one. `terminals` to reach (None: all), `to_self`: the sender's other connections too."""

    sender: UserInfo
    recipient: UserInfo
    content: Content
    terminals: list[str] | None = None
    to_self: bool = True
    result_wanted: bool = False


class GroupMessage(msgspec.Struct):
    """One to a group; its mentions are in the content."""

    sender: UserInfo
    group: str
    content: Content
    terminals: list[str] | None = None
    to_self: bool = True
    result_wanted: bool = False


class SendInfo(msgspec.Struct, omit_defaults=True):
    """The generic send model: a frame from the server to a client. Encoded, it is the frame's very bytes."""

    op: str
    id: str | None = None
    data: Raw = Raw(b"{}")


class ReceiveInfo(msgspec.Struct, omit_defaults=True):
    """The generic receive model: one command, as it crosses RabbitMQ to a worker.

    `number` is the gateway's own (clients may reuse ids) and rises for ever within (gateway, epoch). `connection` is
    the sender's connection there, 0 for HTTP. `data` is the op's typed arguments as JSON. `trace` is the id of the HTTP
    request that it came by. A command that another one emitted has no gateway that waits for an answer: `emitted` is
    then its cid.
    """

    op: str
    number: int
    gateway: str
    epoch: str
    data: Raw
    sender: UserInfo = UserInfo("")
    session: str = ""
    connection: int = 0
    trace: str = ""
    emitted: str = ""

    @property
    def origin(self) -> str:
        """The address of the gateway that waits for the answer: `{gateway}.{epoch}`."""
        return f"{self.gateway}.{self.epoch}"

    @property
    def from_connection(self) -> str:
        """The connection that it came by, `{gateway}.{epoch}.{connection}`; "" where it came by none."""
        return f"{self.gateway}.{self.epoch}.{self.connection}" if self.connection else ""

    @property
    def name(self) -> str:
        """What names this command in logs and in the record of attempts; the same at each redelivery."""
        if self.emitted:
            return f"{self.sender.user}.{self.emitted}"
        return f"{self.gateway}.{self.epoch}.{self.number}"


class SendResult(msgspec.Struct, omit_defaults=True):
    """The result of a send for one user: what was stored, and by terminal whether pushed, delivered, read."""

    user: str
    seq: int = 0
    time: int = 0
    duplicate: bool = False
    terminals: dict[str, str] = {}
    code: str = ""


# --- what a worker sends to a gateway -------------------------------------------------------------------------------


class _Body(msgspec.Struct, tag_field="kind", omit_defaults=True):
    """Base of all kinds. Each says by its `reach` which gateways it goes to."""

    def for_users(self, users: list[str]) -> Self:
        """What a gateway gets that holds only these of the users who are reached."""
        return self


class Answer(_Body, tag="answer"):
    """The answer to command `number`, for the gateway that sent it: `op` is "reply" or "error", `data` the frame's
    data."""

    reach: ClassVar[Reach] = ORIGIN

    number: int
    op: str
    data: Raw


class Push(_Body, tag="push"):
    """A frame for every connection of `users`, or of the members of `group`, that the gateway holds.

    `seq` is that of the message in it, for a group: whoever joined later does not get it (0: everyone does).
    `excluded` is one connection that does not get it, `{gateway}.{epoch}.{connection}`: the one that sent it.
    `transient`: of no use later, so that a connection that has anything queued does not get it.
    """

    frame: Raw
    users: list[str] = []
    group: str = ""
    seq: int = 0
    terminals: list[str] | None = None
    excluded: str = ""
    transient: bool = False

    @property
    def reach(self) -> Reach:
        return Reach(self.users, self.group)

    def for_users(self, users: list[str]) -> Push:
        return self if len(users) == len(self.users) else msgspec.structs.replace(self, users=users)


class Membership(_Body, tag="membership"):
    """Users entered or left a group by its event `seq`. Sent to every live gateway."""

    reach: ClassVar[Reach] = EVERYWHERE

    group: str
    seq: int
    joined: list[str] = []
    left: list[str] = []


class Revocation(_Body, tag="revocation"):
    """Sessions ended; their connections close with 4006 and `reason`. Sent to every live gateway."""

    reach: ClassVar[Reach] = EVERYWHERE

    sessions: list[str]
    reason: str


class Takeover(_Body, tag="takeover"):
    """A login: connections of `user` with the same `slot` and a lower login close with 4006 `replaced`.

    `connection` is the one that logged in, `{gateway}.{epoch}.{connection}`; `device` names its device, or its session
    where it named none. Sent to the gateways that hold the user.
    """

    user: str
    slot: str
    login: int
    device: str
    connection: str

    @property
    def reach(self) -> Reach:
        return Reach((self.user,))


Effect = Push | Membership | Revocation | Takeover
"""What goes down unasked: whatever a command has others be sent."""

Downward = Answer | Effect

Body = TypeVar("Body")
Kind = Literal["batch", "beacon", "bye"]


class TopicMessage(msgspec.Struct, Generic[Body], omit_defaults=True):
    """What crosses RabbitMQ: a batch of bodies from one process to one queue.

    `source` is the sending process with its epoch, `{name}.{epoch}`. `number` counts the batches of this link from 1;
    a beacon repeats the last number of an idle link, a bye ends it. Commands to workers are not numbered (0).
    `worker` is the kind of worker that sends to a gateway; `ready`: it could serve when it sent this (its store
    answered).
    """

    to: str
    source: str
    bodies: list[Body]
    number: int = 0
    kind: Kind = "batch"
    worker: str = ""
    ready: bool = True


UpwardMessage = TopicMessage[ReceiveInfo]
DownwardMessage = TopicMessage[Downward]

read_upward = msgspec.json.Decoder(UpwardMessage).decode
read_downward = msgspec.json.Decoder(DownwardMessage).decode
