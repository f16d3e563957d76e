"""message.recall: a message is taken back for everybody (protocol.md section 5).

Laws: the message keeps its seq, so that nobody finds a gap. The transaction that writes the event also erases the body,
in the store and in the worker's memory. A client that gets the event drops the body that it has.
"""

from __future__ import annotations

from logic.handlers.access import MANAGERS, member_of, readable
from logic.handlers.messages.sends import push_of
from logic.once import Left, once
from logic.outcome import Outcome, replied
from logic.scope import Scope
from logic.work import Work
from protocol import codec, content, ids, replies
from protocol.errors import forbidden, not_found
from store.tables import mentions, messages
from store.tables.messages import MessageRow


def recall(work: Work, scope: Scope) -> Outcome:
    """Take a message back: its sender may for `rules.recall_s` seconds, the owner and admins of a group always. A
    second recall is answered with the seq of the first. Raises ImError not_found, forbidden, conflict."""
    args = work.args

    def decide() -> Left:
        row = _recallable(work, scope)
        if row.recalled:
            return replies.Event(row.changed or row.seq)
        event = scope.append_event(work, "recall", content.encode_body({"seq": args.seq}))
        messages.recall(scope.tx, args.conversation, args.seq, event.seq)
        if row.mentions:
            mentions.remove(scope.tx, args.conversation, args.seq, codec.read(row.mentions))
        return event

    def answer(event: MessageRow, is_repeated: bool) -> Outcome:
        return replied(replies.Event(event.seq), push_of(event, work.envelope.from_connection))

    return once(work, scope, decide, answer)


def _recallable(work: Work, scope: Scope) -> MessageRow:
    """The message, if the caller may recall it. Raises ImError not_found, forbidden."""
    args, user = work.args, work.sender.user
    may = readable(scope.tx, user, args.conversation)
    place = (args.conversation, args.seq)
    row = messages.get(scope.tx, [place]).get(place) if may.first <= args.seq <= may.last else None
    if row is None:
        raise not_found()
    if row.type not in content.BODIES:
        raise forbidden("only what people have said can be recalled")
    if not _is_manager(scope, args.conversation, user):
        if row.sender != user:
            raise forbidden("somebody else's message is recalled by the owner or an admin of its group")
        if scope.now_ms - row.time > scope.rules.recall_s * 1000:
            raise forbidden(f"a message can be recalled for {scope.rules.recall_s} s")
    return row


def _is_manager(scope: Scope, conversation: str, user: str) -> bool:
    parsed = ids.parse_conversation(conversation)
    if parsed is None or parsed.kind != "g":
        return False
    member = member_of(scope.tx, parsed.group, user)
    return member is not None and member.role in MANAGERS
