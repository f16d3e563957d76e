"""message.send, decided for a list at once: one read and one INSERT for each table (protocol.md section 5).

Laws: no refusal leaves before its cid was looked up. A message that is found under it is answered again and pushed
again, whatever its sender may do by now, and nothing is changed; other content under it is `conflict`. A conversation
that is not the sender's and one that does not exist give the same `not_found`. A mention of a user who is not in the
conversation is dropped, and leaves nothing.
"""

from __future__ import annotations

from logic.audience import push_to
from logic.outcome import Outcome, message_frame, replied
from logic.scope import Scope
from logic.timeline import GrowingTail
from logic.work import Work
from protocol import content, ids, replies
from protocol.errors import ImError, bad_field, conflict, forbidden, not_found
from protocol.models import Content, GroupMessage, PrivateMessage, Push, UserInfo
from store.tables import groups, mentions, messages, users
from store.tables.messages import MessageRow

Pair = tuple[str, str]


def addressed(work: Work) -> PrivateMessage | GroupMessage:
    """The generic model of a send; whether the sender is a member of a group is checked later. Raises ImError not_found
    for a conversation of others, forbidden for `s:`."""
    args, sender = work.args, work.sender
    said = Content(args.type, args.body, args.mentions, args.reply_to)
    conversation = ids.parse_conversation(args.conversation)
    if conversation is None:
        raise not_found()
    if conversation.kind == "g":
        return GroupMessage(sender, conversation.group, said)
    if sender.user not in conversation.users:
        raise not_found()
    if conversation.kind == "s":
        raise forbidden("nobody writes to the system's notices")
    first, second = conversation.users
    return PrivateMessage(sender, UserInfo(second if sender.user == first else first), said)


def push_of(row: MessageRow, excluded: str = "") -> Push:
    """The push of a stored message to everybody in its conversation, but for the connection `excluded`."""
    return push_to(row.conversation, message_frame(row), row.seq, excluded=excluded)


def _answer(work: Work, row: MessageRow, *, duplicate: bool) -> Outcome:
    sent = replies.Sent(row.conversation, row.seq, row.time, duplicate)
    return replied(sent, push_of(row, work.envelope.from_connection))


class _SendRun:
    """The state of one list of sends between its reads and its writes."""

    def __init__(self, works: list[Work], scope: Scope) -> None:
        self._works = works
        self._scope = scope
        self._tails = scope.timeline.load(work.key for work in works)
        self._known: dict[Pair, MessageRow] = {}
        self._peers: set[str] = set()

    def find_known(self) -> None:
        """Find what was sent before under these cids, as it is now: those that are remembered, and with `look_up`
        all."""
        look_up = self._scope.look_up
        self._look_up([work for work in self._works if look_up or work.pair in self._tails[work.key].cache.cids])

    def decide_all(self) -> list[Outcome]:
        """The outcome of each send, in order. One that is refused has its cid looked up in the store, and is decided
        again where something is found: that appends nothing, so the order stays."""
        outcomes = [self._decide(work) for work in self._works]
        if self._scope.look_up:
            return outcomes
        refused = [place for place, outcome in enumerate(outcomes) if isinstance(outcome.reply, ImError)]
        found = self._look_up([self._works[place] for place in refused])
        for place in refused:
            if self._works[place].pair in found:
                outcomes[place] = self._decide(self._works[place])
        return outcomes

    def _look_up(self, works: list[Work]) -> set[Pair]:
        """Find the cids in the store that are not known yet; returns those that were found."""
        unknown = {work.pair for work in works} - self._known.keys()
        found = messages.by_cids(self._scope.tx, sorted(unknown)) if unknown else {}
        self._known.update(found)
        return set(found)

    def load(self) -> None:
        """Read what decisions need and memory lacks: the peers of new conversations, the member rows of senders and of
        those whom they mention."""
        peers: set[str] = set()
        missing: dict[Pair, GrowingTail] = {}
        for work in self._works:
            tail = self._tails[work.key]
            conversation = ids.parse_conversation(work.key)
            if conversation is None:
                continue
            if conversation.kind == "p" and tail.seq == 0:
                peers.update(conversation.users)
            elif conversation.kind == "g":
                for user in (work.sender.user, *(work.args.mentions or ())):
                    if user != mentions.ALL and tail.member(user) is None:
                        missing[conversation.group, user] = tail
        if peers:
            self._peers = users.existing(self._scope.tx, sorted(peers))
        if missing:
            for pair, row in groups.members(self._scope.tx, sorted(missing)).items():
                if row.left_seq is None:
                    missing[pair].remember_member(row)

    def _decide(self, work: Work) -> Outcome:
        """The outcome of one send, in its turn; refusals are outcomes."""
        pair = work.pair
        known = self._known.get(pair)
        try:
            if known is not None:
                if known.digest != work.digest():
                    raise conflict()
                return _answer(work, known, duplicate=True)
            content.check_body(work.args.type, work.args.body)
            row = self._append(work, addressed(work))
        except ImError as refusal:
            return Outcome(refusal)
        self._known[pair] = row
        return _answer(work, row, duplicate=False)

    def _append(self, work: Work, message: PrivateMessage | GroupMessage) -> MessageRow:
        args = work.args
        sender = work.sender.user
        tail = self._tails[work.key]
        if isinstance(message, GroupMessage):
            self._check_member(tail, message)
        elif tail.seq == 0 and message.recipient.user not in self._peers:
            raise not_found()
        if args.reply_to is not None and args.reply_to > tail.seq:
            raise bad_field("reply_to", "there is no such message yet")
        body = content.encode_body(args.body)
        append = self._scope.timeline.append
        mentioned = self._mentioned(tail, message)
        row = append(tail, sender, args.cid, args.type, body, work.digest(), mentioned, args.reply_to)
        self._scope.timeline.mark_read(sender, work.key, row.seq)
        return row

    def _mentioned(self, tail: GrowingTail, message: PrivateMessage | GroupMessage) -> list[str] | None:
        """Of those whom the message mentions the users in its conversation, and "all"."""
        wanted = message.content.mentions
        if not wanted:
            return None
        if isinstance(message, GroupMessage):
            present = {user for user in wanted if tail.member(user) is not None}
        else:
            present = {message.sender.user, message.recipient.user}
        return [user for user in dict.fromkeys(wanted) if user in present or user == mentions.ALL] or None

    def _check_member(self, tail: GrowingTail, message: GroupMessage) -> None:
        member = tail.member(message.sender.user)
        if member is None:
            raise not_found()
        if member.muted_until and member.muted_until > self._scope.now_ms:
            raise forbidden("you are muted in this group")


def send_all(works: list[Work], scope: Scope) -> list[Outcome]:
    """Decide and write a list of sends; returns their outcomes in order. Refusals among them: not_found, forbidden,
    bad_field, too_large, conflict. Raises Duplicate where a cid or a seq was used that this worker does not know."""
    run = _SendRun(works, scope)
    run.find_known()
    run.load()
    outcomes = run.decide_all()
    scope.timeline.flush()
    return outcomes
