"""Valid commands of every op that a client may ask for, by the registry: what mutations begin with. Pure."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any, NamedTuple

import msgspec

from protocol.ids import group_conversation, private_conversation
from protocol.ops import CLIENTS, OPS, Op

Data = dict[str, Any]

TEXTS = ("hello", "鸿雁传书", "👩‍👩‍👧 🦢", "' OR 1=1 --", "\u202eabc", "a\nb\tc", '"\\{}[]', "x" * 300)
BODIES: tuple[tuple[str, Data], ...] = (
    ("image", {"url": "https://a.example/1.png", "width": 10, "height": 20, "thumb": "https://a.example/t.png"}),
    ("voice", {"url": "https://a.example/1.ogg", "seconds": 3.5}),
    ("video", {"url": "https://a.example/1.mp4", "seconds": 9}),
    ("file", {"url": "https://a.example/1.pdf", "name": "1.pdf", "size": 1024}),
    ("location", {"lat": 31.2, "lng": 121.5, "title": "Shanghai"}),
    ("card", {"user": "fuzz-1"}),
    ("markdown", {"text": "# a\n* b"}),
    ("forward", {"title": "t", "messages": [{"sender": "a", "type": "text", "body": {"text": "b"}}]}),
    ("custom", {"a": [1, 2.5, None, True, {"b": "c"}]}),
)


class Cast(NamedTuple):
    """Who attacks: a user with a session, a peer, and a group that both are in."""

    user: str
    token: str
    peer: str
    group: str


def _conversation(rng: Random, cast: Cast) -> str:
    return rng.choice((private_conversation(cast.user, cast.peer), group_conversation(cast.group), f"s:{cast.user}"))


def _cid(rng: Random) -> str:
    return f"{rng.getrandbits(48):x}"


def _send(rng: Random, cast: Cast) -> Data:
    kind, body = rng.choice(BODIES) if rng.random() < 0.5 else ("text", {"text": rng.choice(TEXTS)})
    data = {"conversation": _conversation(rng, cast), "cid": _cid(rng), "type": kind, "body": body}
    return data | rng.choice(({}, {"mentions": [cast.peer, "all"]}, {"reply_to": 1}))


def _history(rng: Random, cast: Cast) -> Data:
    edge = rng.choice(({}, {"before": 9}, {"after": 0}))
    return {"conversation": _conversation(rng, cast), "limit": rng.randint(1, 5), **edge}


def _users(rng: Random, cast: Cast) -> Data:
    return {"ids": [cast.user, cast.peer], **rng.choice(({}, {"after": cast.user}))}


def _read(rng: Random, cast: Cast) -> Data:
    return {"conversation": _conversation(rng, cast), "seq": rng.randint(1, 3)}


def _sync(rng: Random, cast: Cast) -> Data:
    # Far ahead, so that the answer is small: a cursor beyond the end counts as the end.
    cursors = {private_conversation(cast.user, cast.peer): 2**40, group_conversation(cast.group): 2**40}
    return {"cursors": cursors, "epoch": "e", "only": rng.random() < 0.5, "since": rng.choice([None, 0, 2**40, 2**53])}


def _invite(rng: Random, cast: Cast) -> Data:
    return {"group": cast.group, "users": [cast.peer], "cid": _cid(rng)}


Maker = Callable[[Random, Cast], Any]

BY_NAME: dict[str, Maker] = {
    "conversation": _conversation,
    "group": lambda rng, cast: cast.group,
    "user": lambda rng, cast: cast.peer,
    "users": lambda rng, cast: [cast.peer],
    "ids": lambda rng, cast: [cast.user, cast.peer],
    "seq": lambda rng, cast: rng.randint(1, 3),
    "limit": lambda rng, cast: rng.randint(1, 5),
    "cid": lambda rng, cast: _cid(rng),
    "name": lambda rng, cast: rng.choice(TEXTS)[:20],
}
"""What an argument of this name holds, whatever the op; any other is made by its type."""


def _by_type(field: msgspec.inspect.Type, rng: Random, cast: Cast) -> Any:
    match field:
        case msgspec.inspect.UnionType(types):
            return _by_type(rng.choice(types), rng, cast)
        case msgspec.inspect.StrType():
            return rng.choice(TEXTS)[: field.max_length or 20]
        case msgspec.inspect.IntType():
            return rng.randint(field.ge or 0, (field.ge or 0) + 3)
        case msgspec.inspect.BoolType():
            return rng.random() < 0.5
        case msgspec.inspect.LiteralType(values):
            return rng.choice(values)
        case msgspec.inspect.NoneType():
            return None
        case msgspec.inspect.ListType():
            return [_by_type(field.item_type, rng, cast)]
        case _:
            return {}


def _by_row(op: Op) -> Maker:
    """Arguments by the op's own row: all that are required, and some of the others."""
    fields = msgspec.inspect.type_info(op.args).fields  # type: ignore[attr-defined]

    def make(rng: Random, cast: Cast) -> Data:
        chosen = [field for field in fields if field.required or rng.random() < 0.5]
        return {
            field.encode_name: BY_NAME[field.encode_name](rng, cast)
            if field.encode_name in BY_NAME
            else _by_type(field.type, rng, cast)
            for field in chosen
        }

    return make


# Where the row alone would make what is seldom right, or too much of it.
SPECIAL: dict[str, tuple[int, Maker]] = {
    "heartbeat": (20, lambda rng, cast: {}),
    "message.send": (120, _send),
    "user.get": (20, _users),
    "message.history": (40, _history),
    "message.read": (30, _read),
    "sync": (40, _sync),
    "conversation.list": (20, lambda rng, cast: {"limit": rng.randint(1, 3)}),
    # Few cids: a group that is made once is only found again.
    "group.create": (10, lambda rng, cast: {"name": "g", "members": [cast.peer], "cid": f"g{rng.randrange(4)}"}),
    "group.list": (10, lambda rng, cast: {"limit": 2}),
    "group.members": (20, lambda rng, cast: {"group": cast.group, "limit": 2}),
    "group.invite": (20, _invite),
    "group.remove": (10, _invite),
    "group.leave": (5, lambda rng, cast: {"group": "nogroup", "cid": _cid(rng)}),
    "login": (10, lambda rng, cast: login(cast)),
    # These hash passwords or end sessions: rare, or nothing else would be done.
    "account.register": (1, lambda rng, cast: {"username": f"u{_cid(rng)}", "password": "password1", "name": "n"}),
    "account.login": (1, lambda rng, cast: {"username": "nobody", "password": "password1", "terminal": "web"}),
    "account.password": (1, lambda rng, cast: {"old": "password1", "new": "password2"}),
    "account.logout": (1, lambda rng, cast: {"all": False}),
    "token.refresh": (5, lambda rng, cast: {"refresh": "r" * 43}),
}
WEIGHT = 20
MAKERS: dict[str, tuple[int, Maker]] = {
    **{op.name: (WEIGHT, _by_row(op)) for op in OPS.values() if op.callers & CLIENTS},
    **SPECIAL,
}
_OPS = tuple(MAKERS)
_WEIGHTS = tuple(weight for weight, _ in MAKERS.values())


def login(cast: Cast) -> Data:
    """What the first frame holds."""
    return {"token": cast.token, "terminal": "web", "device": "fuzz", "client": "fuzz/1"}


def command(rng: Random, cast: Cast) -> Data:
    """A frame that is right in every way."""
    (op,) = rng.choices(_OPS, _WEIGHTS)
    return {"op": op, "id": f"{rng.getrandbits(16)}", "data": MAKERS[op][1](rng, cast)}
