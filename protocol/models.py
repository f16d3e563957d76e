"""The ten generic models, named as in the seed documents, and the parts that they are made of.

A client logs in with a LoginInfo; from then on a SessionInfo says who it is. A command that goes up is a ReceiveInfo, a
frame that goes down a SendInfo; many of either cross RabbitMQ in one TopicMessage. Times are integer milliseconds since
1970 UTC.
"""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Generic, Literal, Self, TypeVar

import msgspec
from msgspec import Meta, Raw

from protocol.reach import EVERYWHERE, ORIGIN, Reach

Terminal = Literal["web", "app", "pc", "mini", "pad", "tv", "bot"]
Device = Annotated[str, Meta(max_length=128)]
"""A client's own name for the device that it runs on; "" where it gives none."""


class LoginInfo(msgspec.Struct):
    """What a client presents in its first frame (protocol.md section 3)."""

    token: str
    terminal: Terminal
    device: Device = ""
    client: Annotated[str, Meta(max_length=128)] = ""


class SessionInfo(msgspec.Struct, frozen=True):
    """Whose connection it is: the claims of a verified token. `issued` and `expires` (of the token) in ms."""

    user: str
    session: str
    terminal: str
    device: str
    issued: int
    expires: int


class UserInfo(msgspec.Struct, frozen=True):
    """A user at a terminal, as sender or receiver. `terminal` "" means all terminals; `user` "" a caller without a
    token."""

    user: str
    terminal: str = ""


class Heartbeat(msgspec.Struct):
    """The server's answer to a heartbeat: its clock in ms."""

    time: int


class Content(msgspec.Struct, omit_defaults=True):
    """What a message says: a type of protocol.md section 5 with its body, the users whom it mentions, and the seq of
    the message that it answers."""

    type: str
    body: dict[str, Any]
    mentions: list[str] | None = None
    reply_to: int | None = None


class PrivateMessage(msgspec.Struct):
    """One to one. `terminals` are those to reach (None: all); `to_self`: the sender's other connections get it too."""

    sender: UserInfo
    recipient: UserInfo
    content: Content
    terminals: list[str] | None = None
    to_self: bool = True
    result_wanted: bool = False


class GroupMessage(msgspec.Struct):
    """To a group; the other fields are those of a PrivateMessage."""

    sender: UserInfo
    group: str
    content: Content
    terminals: list[str] | None = None
    to_self: bool = True
    result_wanted: bool = False


class SendInfo(msgspec.Struct, omit_defaults=True):
    """The generic send model: a frame from the server to a client (protocol.md section 2). Encoded it is the frame's
    bytes; `id` is that of the frame that it answers."""

    op: str
    id: str | None = None
    data: Raw = Raw(b"{}")


class ReceiveInfo(msgspec.Struct, omit_defaults=True):
    """The generic receive model: one command, as it crosses RabbitMQ to a worker.

    `number` is given by the gateway, since clients may reuse ids, and rises for ever within (gateway, epoch).
    `connection` is the number of the sender's connection there, 0 for HTTP. `data` is the op's typed arguments as JSON.
    `trace` is the id of the HTTP request in which the command came, else "". `address` is the client's, for an op that
    needs it, as far as the door knows it. No gateway waits for the answer to a command that another command emitted:
    `emitted` is then its cid, else "". `queue` is the number of the queue that the gateway has now.
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
    address: str = ""
    queue: int = 1

    @property
    def origin(self) -> str:
        """The address of the gateway that waits for the answer: `{gateway}.{epoch}`."""
        return f"{self.gateway}.{self.epoch}"

    @property
    def from_connection(self) -> str:
        """The connection that it came in on, `{gateway}.{epoch}.{connection}`; "" for a command that came by HTTP."""
        return f"{self.gateway}.{self.epoch}.{self.connection}" if self.connection else ""

    @property
    def name(self) -> str:
        """The name of this command in logs and among counted attempts; the same at each redelivery.

        `{gateway}.{epoch}.{number}`, or `{sender}.{cid}` where it was emitted.
        """
        if self.emitted:
            return f"{self.sender.user}.{self.emitted}"
        return f"{self.gateway}.{self.epoch}.{self.number}"


class SendResult(msgspec.Struct, omit_defaults=True):
    """What became of a send for one user: the stored message (`seq`, `time` in ms), by terminal whether it was pushed,
    delivered or read, and the `code` of a refusal."""

    user: str
    seq: int = 0
    time: int = 0
    duplicate: bool = False
    terminals: dict[str, str] = {}
    code: str = ""


# --- what a worker sends to a gateway -------------------------------------------------------------------------------


class _Body(msgspec.Struct, tag_field="kind", omit_defaults=True):
    """Base of everything that goes down. Each kind has a `reach`, which says to which gateways it goes."""

    def for_users(self, users: list[str]) -> Self:
        """The part for a gateway that holds only `users`, some of those whom this reaches."""
        return self


class Answer(_Body, tag="answer"):
    """The answer to command `number`, for the gateway that sent it. `op` is "reply" or "error", `data` the JSON of the
    frame's data."""

    reach: ClassVar[Reach] = ORIGIN

    number: int
    op: str
    data: Raw


class Push(_Body, tag="push"):
    """A frame for every connection of `users`, or of the members of `group`, that the gateway holds.

    `frame` is the frame's bytes. `seq`, for a group, is the seq of the message in the frame: a member who joined later
    does not get it (0: every member does). `terminals` are those to reach (None: all). `excluded` names the connection
    that sent the message, `{gateway}.{epoch}.{connection}`, which does not get it. A `transient` push is of no use
    later: a connection with anything queued does not get it.
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
        """Its users, or its group."""
        return Reach(self.users, self.group)

    def for_users(self, users: list[str]) -> Push:
        """The same frame for `users` only; the push itself where they are all of its users."""
        return self if len(users) == len(self.users) else msgspec.structs.replace(self, users=users)


class Membership(_Body, tag="membership"):
    """Users joined or left a group by its event `seq`. Sent to every live gateway."""

    reach: ClassVar[Reach] = EVERYWHERE

    group: str
    seq: int
    joined: list[str] = []
    left: list[str] = []


class Revocation(_Body, tag="revocation"):
    """Sessions ended: their connections close with 4006 and `reason`. Sent to every live gateway."""

    reach: ClassVar[Reach] = EVERYWHERE

    sessions: list[str]
    reason: str


class Takeover(_Body, tag="takeover"):
    """A login: connections of `user` with the same `slot` and a lower login close with 4006 `replaced`.

    `login` is the router's number of this login of the user. `connection` names the connection that logged in,
    `{gateway}.{epoch}.{connection}`; `device` names its device, or its session where it named none. Sent to the
    gateways that hold the user.
    """

    user: str
    slot: str
    login: int
    device: str
    connection: str

    @property
    def reach(self) -> Reach:
        """Its user."""
        return Reach((self.user,))


Effect = Push | Membership | Revocation | Takeover
"""What a command sends down beside its answer."""

Downward = Answer | Effect

Body = TypeVar("Body")
Kind = Literal["batch", "beacon", "bye"]


class TopicMessage(msgspec.Struct, Generic[Body], omit_defaults=True):
    """What crosses RabbitMQ: a batch of bodies from one process to one queue.

    `to` is the queue, `source` the sending process, `{name}.{epoch}`. `number` counts the batches of this link from 1;
    a "beacon" repeats the last number of an idle link, a "bye" ends it. Commands to workers are not numbered (0). On
    the way down `worker` is the sender's kind of worker, and `ready` whether it could serve when it sent this.
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
"""The message of commands in a body that a worker took. Raises msgspec.MsgspecError."""

read_downward = msgspec.json.Decoder(DownwardMessage).decode
"""The message of answers and effects in a body that a gateway took. Raises msgspec.MsgspecError."""
