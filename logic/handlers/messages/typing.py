"""typing: somebody is writing. It is stored nowhere, and dropped where anything else waits (protocol.md section 5)."""

from __future__ import annotations

from msgspec import Raw

from logic.handlers.access import readable
from logic.outcome import Outcome, replied
from logic.services import Services
from logic.work import Work
from protocol import codec, ids, replies
from protocol.errors import forbidden, not_found
from protocol.frames import write_frame
from protocol.models import Push
from store.tables import groups
from store.transaction import Transaction

MAX_MEMBERS = 200  # in a larger group too many write at any moment


def tell(work: Work, services: Services) -> Outcome:
    """Push it to the others who are connected; to nobody in a group of over 200. Raises ImError not_found; forbidden
    for `s:`."""
    with services.database.reading() as tx:
        readable(tx, work.sender.user, work.args.conversation)
        push = _push(tx, work)
    return replied(replies.Reply(), *([push] if push is not None else []))


def _push(tx: Transaction, work: Work) -> Push | None:
    user, conversation = work.sender.user, work.args.conversation
    frame = Raw(write_frame("typing", codec.write_struct(replies.Typing(conversation, user))))
    parsed = ids.parse_conversation(conversation)
    if parsed is None:
        raise not_found()
    if parsed.kind == "s":
        raise forbidden("nobody writes to the system's notices")
    if parsed.kind == "p":
        others = sorted({*parsed.users} - {user})
        return Push(frame, users=others, transient=True) if others else None
    members = groups.member_page(tx, parsed.group, "", MAX_MEMBERS + 1)
    others = [member.user for member in members if member.user != user]
    return Push(frame, users=others, transient=True) if others and len(members) <= MAX_MEMBERS else None
