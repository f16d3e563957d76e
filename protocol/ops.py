"""The registry of ops: one row says everything about an op that doors, queues, workers and documents need.

Who may ask for it and over which doors, its arguments, where it runs, what it costs. An op with a `key` changes the
conversation of that key; the owner of that conversation runs it, one at a time with all other changes of it. An op
without a key runs in the queue that it names (docs/architecture.md). The handler of an op stands in
logic/handlers/table.py under the same name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec
from msgspec import Raw

from protocol import args, codec, ids
from protocol.errors import bad_field, unknown_op
from protocol.fields import read_fields, refusal_of
from protocol.models import UserInfo


class Caller(Enum):
    """Who may ask for an op."""

    ANYONE = "anyone"  # needs no token
    CLIENT = "client"  # a logged-in user
    PLATFORM = "platform"  # the company's back end, by signed HTTP
    GATEWAY = "gateway"  # our own gateways
    SYSTEM = "system"  # another command, in whose transaction it was emitted


CLIENTS = frozenset({Caller.ANYONE, Caller.CLIENT})
"""The callers whose ops may come over a connection that is logged in."""

ORDERED, PARALLEL = "ordered", "parallel"
"""Kinds of workers, which are also names of queues: `parallel` is one, of `ordered` there is one for each partition."""

HTTP = "http"


@dataclass(frozen=True)
class Cost:
    """As how many sends a command counts against its sender's rate: `base`, and 1 for every `each` of what its field
    `per` holds, the entries of a list or a number. Roughly what it costs workers and the store: a row that is written
    counts as a third of a send, one that is read as a twentieth to a hundredth, by its size."""

    base: int = 1
    per: str = ""
    each: int = 1

    def __str__(self) -> str:
        return f"{self.base} + {self.per} / {self.each}" if self.per else str(self.base)

    def __call__(self, arguments: Any) -> int:
        if not self.per:
            return self.base
        amount = getattr(arguments, self.per) or 0
        return self.base + (amount if isinstance(amount, int) else len(amount)) // self.each


SEND, HASH = Cost(), Cost(20)
"""What most commands cost; what those cost that take a password, which is 40 ms of a processor."""
FREE = Cost(0)
"""Of commands that no client sends."""

BYTES_OF_A_COMMAND = 32 * 1024
"""A large frame counts as one command more for each so many bytes."""


@dataclass(frozen=True)
class Op:
    """One op. `key(sender, args)` is the conversation that it changes; an op without a key runs in `queue`.

    `not_over` names the doors through which it may not come. An `ephemeral` op leaves nothing in the store, so it takes
    no cid. `cost(args)` says as how many sends it counts against its sender's rate. `every_s` is the least number of
    seconds between two of them on a connection (0: none). With `needs_address` its handler is told where the client is.
    """

    name: str
    args: type[args.Args]
    cost: Cost
    callers: frozenset[Caller] = frozenset({Caller.CLIENT})
    key: Callable[[UserInfo, Any], str] | None = None
    queue: str = PARALLEL
    not_over: frozenset[str] = frozenset()
    ephemeral: bool = False
    every_s: float = 0.0
    needs_address: bool = False

    @property
    def writes(self) -> bool:
        """Whether it takes a cid, under which it is carried out once."""
        return issubclass(self.args, args.WriteArgs)

    @property
    def worker(self) -> str:
        """The kind of worker that runs it."""
        return self.queue if self.key is None else ORDERED


def created_group(sender: UserInfo, cid: str) -> str:
    """The id of the group that `sender` creates under `cid`: the same for each retry."""
    return ids.derived_id("group", sender.user, cid)


def _conversation(_: UserInfo, data: Any) -> str:
    return str(data.conversation)


def _group(_: UserInfo, data: Any) -> str:
    return ids.group_conversation(data.group)


def _created_group(sender: UserInfo, data: Any) -> str:
    return ids.group_conversation(created_group(sender, data.cid))


def _with_user(sender: UserInfo, data: Any) -> str:
    return ids.private_conversation(sender.user, data.user)


_ANYONE, _GATEWAY, _SYSTEM = (frozenset({caller}) for caller in (Caller.ANYONE, Caller.GATEWAY, Caller.SYSTEM))

_ALL = (
    Op("account.register", args.Register, HASH, _ANYONE, needs_address=True),
    Op("account.login", args.Login, HASH, _ANYONE, needs_address=True),
    Op("account.password", args.ChangePassword, HASH, needs_address=True),
    Op("account.logout", args.Logout, Cost(3)),
    Op("token.refresh", args.Refresh, Cost(3), _ANYONE),
    Op("session.open", args.OpenSession, FREE, _GATEWAY),
    Op("session.refresh", args.RefreshSessions, FREE, _GATEWAY),
    Op("session.check", args.CheckSessions, FREE, _GATEWAY),
    Op("user.get", args.GetUsers, Cost(1, "ids", 20)),
    Op("user.update", args.UpdateUser, Cost(2)),
    Op("message.send", args.SendMessage, Cost(1, "mentions", 10), key=_conversation),
    Op("message.recall", args.RecallMessage, Cost(2), key=_conversation),
    Op("message.history", args.History, Cost(1, "limit", 100)),
    Op("message.read", args.ReadMessage, SEND),
    Op("typing", args.Typing, SEND, not_over=frozenset({HTTP}), ephemeral=True, every_s=1.0),
    Op("notice.append", args.AppendNotice, FREE, _SYSTEM, key=_conversation),
    Op("sync", args.Sync, Cost(1, "cursors", 50)),
    Op("conversation.list", args.ListConversations, Cost(1, "limit", 20)),
    Op("friend.request", args.RequestFriend, Cost(5), key=_with_user),
    Op("group.create", args.CreateGroup, Cost(10, "members", 3), key=_created_group),
    Op("group.get", args.GroupOnly, SEND),
    Op("group.list", args.ListGroups, Cost(1, "limit", 50)),
    Op("group.members", args.ListMembers, Cost(1, "limit", 100)),
    Op("group.invite", args.GroupUsers, Cost(3, "users", 3), key=_group),
    Op("group.leave", args.LeaveGroup, Cost(3), key=_group),
    Op("group.remove", args.GroupUsers, Cost(3, "users", 3), key=_group),
)

OPS: dict[str, Op] = {op.name: op for op in _ALL}
WORKERS = frozenset(op.worker for op in _ALL)
"""The kinds of workers without which some op is not served."""


def find_op(name: str, *callers: Caller) -> Op:
    """The op `name`, if one of `callers` may ask for it. Raises ImError unknown_op: there is none, or not for them."""
    op = OPS.get(name)
    if op is None or op.callers.isdisjoint(callers):
        raise unknown_op()
    return op


# for the message of a refusal
CONVERSATIONS = "p:{a}:{b} with the users in ascending order, g:{group} or s:{user}"


def read_args(op: Op, data: dict[str, Any]) -> Any:
    """The typed arguments of `op` from decoded JSON. Raises ImError as `read_fields` does, and bad_field where a
    conversation id is malformed."""
    return checked(read_fields(data, op.args))


def decode_args(op: Op, data: Raw) -> Any:
    """The typed arguments of `op` from JSON, as they cross RabbitMQ. Raises ImError as `read_args` does."""
    try:
        return checked(codec.decoder_of(op.args)(data))
    except msgspec.ValidationError as error:
        raise refusal_of(error) from None
    except msgspec.MsgspecError:
        raise bad_field("data", "it is not JSON") from None


def checked(value: Any) -> Any:
    """`value`, typed arguments, as they are. Raises ImError bad_field where a conversation id in them is malformed."""
    conversation = getattr(value, "conversation", None)
    if conversation is not None:
        if ids.parse_conversation(conversation) is None:
            raise bad_field("conversation", CONVERSATIONS)
    elif isinstance(value, args.Sync) and not all(map(ids.parse_conversation, value.cursors)):
        raise bad_field("cursors", f"by conversation: {CONVERSATIONS}")
    return value
