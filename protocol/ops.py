"""The registry: what each op takes, who may call it, whether it writes, and which partition it belongs to.

An op with a `key` changes the conversation of that key and runs in its owner's partition, one at a time with every
other change of it; an op without one runs in `parallel` (docs/architecture.md).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Any

import msgspec
from msgspec import Raw

from protocol import args, codec, ids
from protocol.errors import ImError, bad_field, too_large, unknown_op
from protocol.models import UserInfo


class Caller(Enum):
    """Who may ask for an op."""

    ANYONE = "anyone"  # needs no token
    CLIENT = "client"  # a logged-in user
    GATEWAY = "gateway"  # our own gateways


@dataclass(frozen=True)
class Op:
    """`key(sender, args)` gives the conversation that the op changes; None sends it to `parallel`."""

    name: str
    args: type[args.Args]
    caller: Caller = Caller.CLIENT
    key: Callable[[UserInfo, Any], str] | None = None

    @property
    def writes(self) -> bool:
        return issubclass(self.args, args.WriteArgs)


def created_group(sender: UserInfo, cid: str) -> str:
    """The id of the group that this creator makes with this cid: a retry makes the same one."""
    return ids.derived_id("group", sender.user, cid)


def _conversation(_: UserInfo, data: Any) -> str:
    return str(data.conversation)


def _group(_: UserInfo, data: Any) -> str:
    return ids.group_conversation(data.group)


def _created_group(sender: UserInfo, data: Any) -> str:
    return ids.group_conversation(created_group(sender, data.cid))


_ALL = (
    Op("account.register", args.Register, Caller.ANYONE),
    Op("account.login", args.Login, Caller.ANYONE),
    Op("account.password", args.ChangePassword),
    Op("account.logout", args.Logout),
    Op("token.refresh", args.Refresh, Caller.ANYONE),
    Op("session.open", args.OpenSession, Caller.GATEWAY),
    Op("session.refresh", args.RefreshSessions, Caller.GATEWAY),
    Op("user.get", args.GetUsers),
    Op("user.update", args.UpdateUser),
    Op("message.send", args.SendMessage, key=_conversation),
    Op("message.history", args.History),
    Op("message.read", args.ReadMessage),
    Op("sync", args.Sync),
    Op("conversation.list", args.ListConversations),
    Op("group.create", args.CreateGroup, key=_created_group),
    Op("group.get", args.GroupOnly),
    Op("group.list", args.ListGroups),
    Op("group.members", args.ListMembers),
    Op("group.invite", args.GroupUsers, key=_group),
    Op("group.leave", args.LeaveGroup, key=_group),
    Op("group.remove", args.GroupUsers, key=_group),
)

OPS: dict[str, Op] = {op.name: op for op in _ALL}


CLIENTS = (Caller.CLIENT, Caller.ANYONE)
"""Who sends the commands that come over a connection that is logged in."""


def find_op(name: str, *callers: Caller) -> Op:
    """The op that one of `callers` may call; ImError unknown_op where there is none for them."""
    op = OPS.get(name)
    if op is None or op.caller not in callers:
        raise unknown_op()
    return op


CONVERSATIONS = "p:{a}:{b} with the users in ascending order, g:{group} or s:{user}"


def _refusal(error: msgspec.ValidationError) -> ImError:
    """msgspec says "Expected `str`, got `int` - at `$.body.text`" or "... missing required field `cid`"."""
    text = str(error)
    what, _, path = text.partition(" - at `$")
    if not path:  # of a key of an object it says "... - at `key` in `$.cursors`"
        what, _, path = text.partition(" - at `key` in `$")
    field = path.strip("`.").partition("[")[0].partition(".")[0]
    if "missing required field" in what:
        field = what.rsplit("`", 2)[1]
        return bad_field(field, "it is missing")
    if "of length <=" in what and "`str`" not in what:
        return too_large(f"{field or 'data'}: {what.lower()}")
    return bad_field(field or "data", what[:1].lower() + what[1:])


def read_args(op: Op, data: dict[str, Any]) -> Any:
    """The typed arguments of `op`. Raises ImError bad_field (it names the field) or too_large for a list
    over its limit."""
    try:
        return checked(msgspec.convert(data, op.args))
    except msgspec.ValidationError as error:
        raise _refusal(error) from None


def decode_args(op: Op, data: Raw) -> Any:
    """The same of arguments that are still JSON, as they cross RabbitMQ."""
    try:
        return checked(codec.decoder_of(op.args)(data))
    except msgspec.ValidationError as error:
        raise _refusal(error) from None
    except msgspec.MsgspecError:
        raise bad_field("data", "it is not JSON") from None


def checked(value: Any) -> Any:
    """Typed arguments, if the conversations that they name may be some. Raises ImError bad_field."""
    conversation = getattr(value, "conversation", None)
    if conversation is not None:
        if ids.parse_conversation(conversation) is None:
            raise bad_field("conversation", CONVERSATIONS)
    elif isinstance(value, args.Sync) and not all(map(ids.parse_conversation, value.cursors)):
        raise bad_field("cursors", f"by conversation: {CONVERSATIONS}")
    return value
