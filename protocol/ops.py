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
Cost = Callable[[Any], int]


def _one(_: Any) -> int:
    return 1


@dataclass(frozen=True)
class Op:
    """One op. `key(sender, args)` is the conversation that it changes; an op without a key runs in `queue`.

    `not_over` names the doors through which it may not come. An `ephemeral` op leaves nothing in the store, so it takes
    no cid. `cost(args)` says as how many ordinary commands it counts against its sender's rate. `every_s` is the least
    number of seconds between two of them on a connection (0: none). With `needs_address` its handler is told where the
    client is.
    """

    name: str
    args: type[args.Args]
    callers: frozenset[Caller] = frozenset({Caller.CLIENT})
    key: Callable[[UserInfo, Any], str] | None = None
    queue: str = PARALLEL
    not_over: frozenset[str] = frozenset()
    ephemeral: bool = False
    cost: Cost = _one
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


def _for_each(field: str, a_command: int) -> Cost:
    """The cost of a command with a list: 1, and 1 more for every `a_command` entries of the list `field`."""
    return lambda data: 1 + len(getattr(data, field) or ()) // a_command


_ANYONE, _GATEWAY, _SYSTEM = (frozenset({caller}) for caller in (Caller.ANYONE, Caller.GATEWAY, Caller.SYSTEM))

_ALL = (
    Op("account.register", args.Register, _ANYONE, needs_address=True),
    Op("account.login", args.Login, _ANYONE, needs_address=True),
    Op("account.password", args.ChangePassword, needs_address=True),
    Op("account.logout", args.Logout),
    Op("token.refresh", args.Refresh, _ANYONE),
    Op("session.open", args.OpenSession, _GATEWAY),
    Op("session.refresh", args.RefreshSessions, _GATEWAY),
    Op("session.check", args.CheckSessions, _GATEWAY),
    Op("user.get", args.GetUsers),
    Op("user.update", args.UpdateUser),
    Op("message.send", args.SendMessage, key=_conversation, cost=_for_each("mentions", 10)),
    Op("message.recall", args.RecallMessage, key=_conversation),
    Op("message.history", args.History),
    Op("message.read", args.ReadMessage),
    Op("typing", args.Typing, not_over=frozenset({HTTP}), ephemeral=True, every_s=1.0),
    Op("notice.append", args.AppendNotice, _SYSTEM, key=_conversation),
    Op("sync", args.Sync),
    Op("conversation.list", args.ListConversations),
    Op("friend.request", args.RequestFriend, key=_with_user, cost=lambda _: 5),
    Op("group.create", args.CreateGroup, key=_created_group, cost=_for_each("members", 3)),
    Op("group.get", args.GroupOnly),
    Op("group.list", args.ListGroups),
    Op("group.members", args.ListMembers),
    Op("group.invite", args.GroupUsers, key=_group, cost=_for_each("users", 3)),
    Op("group.leave", args.LeaveGroup, key=_group),
    Op("group.remove", args.GroupUsers, key=_group, cost=_for_each("users", 3)),
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
