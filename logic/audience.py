"""Whom a push about a conversation goes to, whatever it says. Pure."""

from __future__ import annotations

from msgspec import Raw

from protocol import ids
from protocol.models import Push


def push_to(conversation: str, frame: Raw, seq: int = 0, *, excluded: str = "") -> Push:
    """A push of `frame` to everybody in `conversation`: both users of `p:`, the members of `g:`, the user of `s:`.

    `seq` is that of the message in the frame (0: none); members who joined later do not get it. `excluded` is the
    connection that does not get it, `{gateway}.{epoch}.{connection}`. Raises ValueError for a malformed conversation.
    """
    parsed = ids.parse_conversation(conversation)
    if parsed is None:
        raise ValueError(f"{conversation} is no conversation")
    if parsed.kind == "g":
        return Push(frame, group=parsed.group, seq=seq, excluded=excluded)
    return Push(frame, users=sorted(set(parsed.users)), excluded=excluded)
