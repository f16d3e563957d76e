"""Who hears of a conversation, whatever is said to them."""

from __future__ import annotations

from msgspec import Raw

from protocol import ids
from protocol.models import Push


def push_to(conversation: str, frame: Raw, seq: int = 0, *, excluded: str = "") -> Push:
    """`frame` for everyone in `conversation`: both of a private one, the members of a group, the user of notices.

    `seq` is that of the message in it, 0 where there is none: members who joined later do not get it. `excluded`: see
    Push.
    """
    parsed = ids.parse_conversation(conversation)
    if parsed is None:
        raise ValueError(f"{conversation} is no conversation")
    if parsed.kind == "g":
        return Push(frame, group=parsed.group, seq=seq, excluded=excluded)
    return Push(frame, users=sorted(set(parsed.users)), excluded=excluded)
