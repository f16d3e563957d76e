"""Identifiers of protocol.md section 1: users, groups, conversations, cids, and the ids that are derived from others.

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
    """A parsed conversation id. `users` are the two of a private one, the one of `s:`; `group` is the group's id."""

    kind: str  # "p", "g" or "s"
    users: tuple[str, ...]
    group: str


def is_id(text: str) -> bool:
    """Whether `text` may be a user's or a group's id."""
    return _ID.match(text) is not None


@lru_cache(16_384)
def parse_conversation(text: str) -> Conversation | None:
    """The parts of a conversation id, or None where it is not one (the wrong order of users included)."""
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
    """`p:{a}:{b}` with the two users in ascending byte order."""
    return f"p:{one}:{other}" if one <= other else f"p:{other}:{one}"


def group_conversation(group: str) -> str:
    return f"g:{group}"


def notice_conversation(user: str) -> str:
    """Where the system tells `user` what concerns nobody else."""
    return f"s:{user}"


def new_id() -> str:
    """A fresh id that nobody can guess: 26 characters, 130 bits."""
    return base64.b32encode(secrets.token_bytes(17))[:26].decode().lower()


def derived_id(*parts: str) -> str:
    """An id that is the same for the same parts, so that a retried creation finds what it made before."""
    digest = hashlib.blake2b("\0".join(parts).encode(), digest_size=17).digest()
    return base64.b32encode(digest)[:26].decode().lower()


def derived_cid(*parts: str) -> str:
    """A cid of the system's own (`~...`) for what one write causes elsewhere; a retry causes it under the same cid."""
    return "~" + derived_id(*parts)


@lru_cache(16_384)
def partition_of(key: str, partitions: int) -> int:
    """The partition that owns `key`: crc32 modulo the number of partitions, which is fixed at the first start."""
    return zlib.crc32(key.encode()) % partitions
