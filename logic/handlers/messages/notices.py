"""notice.append: what the system tells a user, in the conversation `s:{user}`. Other writes emit it; no client may ask.

A user who is away gets it as every message: it has a seq of that conversation, and `sync` brings it.
"""

from __future__ import annotations

from logic.audience import push_to
from logic.once import once
from logic.outcome import Outcome, message_frame, replied
from logic.scope import Scope
from logic.work import Work
from protocol import content, ids, replies
from protocol.errors import not_found
from store.tables.messages import MessageRow


def append(work: Work, scope: Scope) -> Outcome:
    """Store the notice and push it to its user. Raises ImError not_found for a conversation that is not `s:{user}`."""

    def decide() -> MessageRow:
        conversation = ids.parse_conversation(work.key)
        if conversation is None or conversation.kind != "s":
            raise not_found()
        return scope.append_event(work, "notice", content.encode_body(work.args.body))

    def answer(row: MessageRow, is_repeated: bool) -> Outcome:
        return replied(replies.Reply(), push_to(work.key, message_frame(row)))

    return once(work, scope, decide, answer)
