"""What a client must know of the wire: sizes, closes, names of conversations (docs/protocol.md sections 1, 2 and 4)."""

from __future__ import annotations

MAX_SERVER_FRAME_BYTES = 128 * 1024
BUSY = 1013
LOGIN_REFUSED = 4004
STOP = frozenset({1003, 1007, 1008, 1009, 4001, 4002, 4003, LOGIN_REFUSED, 4006, 4008, 4011})
"""After one of these a client does not come again by itself; after any other end it does."""


def private_conversation(one: str, other: str) -> str:
    """The conversation of two users: `p:alice:bob`, their ids in ascending byte order."""
    first, second = sorted((one, other))  # ids are ASCII
    return f"p:{first}:{second}"


def group_conversation(group: str) -> str:
    """The conversation of a group: `g:team`."""
    return f"g:{group}"
