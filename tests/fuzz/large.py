"""Right commands whose data is large, deep, or grows when it is written, and those that bring it back. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from protocol.content import MAX_BODY_DEPTH
from protocol.ids import group_conversation, private_conversation
from tests.fuzz.commands import Cast

HOLE = "\ue001"  # stands in a command for bytes that json.dumps would write in another way
WIDE = ("\x01", "\\", "雁", "\U0001f986")  # characters of which a frame takes up to six bytes
NUMBERS = (b"1e15", b"1.0", b"-0.0", b"0.1000000000000000055", b"1E+5", b"9223372036854775807", b"-0", b"1e308")
BODY_BYTES = 62_000
IDENTS = [f"fuzz-{door}-{lane}-{number}" for door in ("ws", "tcp", "poll") for lane in range(8) for number in range(3)]


def _numbers(rng: Random) -> bytes:
    number = rng.choice(NUMBERS)
    return b'{"x":[%b%b]}' % ((number + b",") * (BODY_BYTES // (len(number) + 1) - 1), number)


def _nested(rng: Random) -> bytes:
    depth = rng.choice((8, MAX_BODY_DEPTH, MAX_BODY_DEPTH + 1, 13, 14))
    inner = rng.choice((b"[]", b"{}", b"1e15"))
    return b'{"in":' + b"[" * (depth - 2) + inner + b"]" * (depth - 2) + b"}"


def _text(rng: Random) -> bytes:
    character = rng.choice(WIDE)
    count = BODY_BYTES // len(json.dumps(character, ensure_ascii=False).encode())
    return json.dumps({"x": character * (count - 8)}, ensure_ascii=False).encode()


def _send(rng: Random, cast: Cast) -> bytes:
    conversation = rng.choice((private_conversation(cast.user, cast.peer), group_conversation(cast.group)))
    data = {"conversation": conversation, "cid": f"{rng.getrandbits(48):x}", "type": "custom", "body": HOLE}
    if rng.random() < 0.2:
        data["mentions"] = [f"n{number}" for number in range(199)] + [cast.peer]
    frame = json.dumps({"op": "message.send", "id": "large", "data": data}).encode()
    return frame.replace(json.dumps(HOLE).encode(), rng.choice((_numbers, _nested, _text))(rng))


def _profile(rng: Random) -> dict[str, str]:
    wide = rng.choice(WIDE)
    return {"name": "x" + wide * 63, "avatar": wide * 1024}


def _write(rng: Random, cast: Cast) -> bytes:
    op, data = rng.choice(
        (
            ("user.update", {**_profile(rng), "bio": rng.choice(WIDE) * 1024}),
            ("group.create", {**_profile(rng), "members": [cast.peer], "cid": f"large-{rng.randrange(40)}"}),
        )
    )
    return json.dumps({"op": op, "id": "large", "data": data}).encode()


def _read(rng: Random, cast: Cast) -> bytes:
    conversation = rng.choice((private_conversation(cast.user, cast.peer), group_conversation(cast.group)))
    history: dict[str, Any] = {"conversation": conversation, "limit": 200}
    op, data = rng.choice(
        (
            ("message.history", history),
            ("message.history", {**history, "after": rng.randrange(100)}),
            ("sync", {"cursors": {}}),
            ("sync", {"cursors": {f"p:{cast.user}:{'z' * 60}{number:03}": 1 for number in range(300)}}),
            ("conversation.list", {"limit": 200}),
            ("group.list", {"limit": 200}),
            ("group.members", {"group": cast.group, "limit": 200}),
            ("user.get", {"ids": IDENTS}),
        )
    )
    return json.dumps({"op": op, "id": "large", "data": data}).encode()


MAKERS: tuple[Callable[[Random, Cast], bytes], ...] = (_send, _write, _read)


def large_text(rng: Random, cast: Cast) -> bytes:
    """A frame of at most 64 KiB, right but for a body that may be refused."""
    return rng.choice(MAKERS)(rng, cast)
