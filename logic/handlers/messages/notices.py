"""notice.append: what the system tells a user, in the conversation `s:{user}`. Emitted, never asked for by a client.

It reaches a user who is away as every message does: by a seq of its own conversation.
"""

from __future__ import annotations

from logic.audience import push_to
from logic.once import once
from logic.outcome import Outcome, message_frame, replied
from logic.scope import Scope
from logic.work import Work
from protocol import content, ids, replies
from protocol.errors import not_found
from store import cursors
from store.messages import MessageRow


def append(work: Work, scope: Scope) -> Outcome:
    """The notice, stored and pushed to its user. A conversation that is not `s:{user}` is `not_found`."""
    conversation = ids.parse_conversation(work.key)
    if conversation is None or conversation.kind != "s":
        raise not_found()
    (user,) = conversation.users

    def decide() -> MessageRow:
        row = scope.append_event(work, "notice", content.encode_body(work.args.body))
        if row.seq == 1:
            cursors.read_up_to(scope.tx, [(user, work.key, 0)])
        return row

    def answer(row: MessageRow, is_repeated: bool) -> Outcome:
        return replied(replies.Reply(), push_to(work.key, message_frame(row)))

    return once(work, scope, decide, answer)
