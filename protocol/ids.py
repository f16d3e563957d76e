"""Identifiers of protocol.md section 1: users, groups, conversations, cids, and ids derived from others. Pure.

A conversation is `p:{a}:{b}` (a <= b in byte order), `g:{group}` or `s:{user}`. Ids that begin with `_` are
the system's.
"""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
import zlib
from functools import lru_cache
from typing import NamedTuple

SYSTEM_USER = "_system"
PLATFORM_USER = "_platform"

ID_PATTERN = r"^[A-Za-z0-9_.\-]{1,64}\Z"
CID_PATTERN = r"^[\x21-\x7e]{1,64}\Z"
_ID = re.compile(ID_PATTERN)


class Conversation(NamedTuple):
    """A parsed conversation id. `users` are two for `p:` (twice the same for notes to oneself), one for `s:`, none for
    `g:`; `group` is the group's id, "" for the others."""

    kind: str  # "p", "g" or "s"
    users: tuple[str, ...]
    group: str


def is_id(text: str) -> bool:
    """Whether `text` may be a user's or a group's id."""
    return _ID.match(text) is not None


@lru_cache(16_384)
def parse_conversation(text: str) -> Conversation | None:
    """The parts of a conversation id; None where `text` is none, also where its two users are in the wrong order."""
    kind, _, rest = text.partition(":")
    if kind == "p":
        first, _, second = rest.partition(":")
        if is_id(first) and is_id(second) and first <= second:
            return Conversation("p", (first, second), "")
    elif kind == "g" and is_id(rest):
        return Conversation("g", (), rest)
    elif kind == "s" and is_id(rest):
        return Conversation("s", (rest,), "")
    return None


def private_conversation(one: str, other: str) -> str:
    """`p:{a}:{b}` of two users, whichever is given first."""
    return f"p:{one}:{other}" if one <= other else f"p:{other}:{one}"


def group_conversation(group: str) -> str:
    """`g:{group}`."""
    return f"g:{group}"


def notice_conversation(user: str) -> str:
    """`s:{user}`: where the system tells a user something that concerns nobody else."""
    return f"s:{user}"


def new_id() -> str:
    """A fresh id that nobody can guess: 26 characters of `a-z2-7`, 130 random bits."""
    return base64.b32encode(secrets.token_bytes(17))[:26].decode().lower()


def derived_id(*parts: str) -> str:
    """26 characters of `a-z2-7` that are the same for the same parts, so that a retried creation finds what it made
    before. No part may hold U+0000."""
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=17).digest()
    return base64.b32encode(digest)[:26].decode().lower()


def derived_cid(*parts: str) -> str:
    """A cid of the system's own (27 characters, the first is `~`) for a command that a write emits: a retry of the
    write emits it under the same cid."""
    return "~" + derived_id(*parts)


@lru_cache(16_384)
def partition_of(key: str, partitions: int) -> int:
    """The partition (from 0) that owns the conversation `key`: its crc32 modulo `partitions`, a number that is fixed at
    the first start."""
    return zlib.crc32(key.encode()) % partitions
