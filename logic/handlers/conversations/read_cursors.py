"""message.read for a list at once: cursors that never go back, written by one upsert, and receipts.

A receipt goes to the peer of a private conversation and to the reader's own other terminals, never to a group.
"""

from __future__ import annotations

from msgspec import Raw

from logic.audience import push_to
from logic.handlers.access import readable
from logic.once import once_in_pool
from logic.outcome import Outcome, replied
from logic.scope import WriteScope
from logic.services import Services
from logic.work import Work
from protocol import codec, replies
from protocol.errors import ImError, bad_field
from protocol.frames import write_frame
from protocol.models import Push
from store.tables import cursors
from store.tables.messages import MessageRow
from store.transaction import Transaction


def _check(tx: Transaction, work: Work) -> None:
    may = readable(tx, work.sender.user, work.args.conversation)
    if work.args.seq > may.last:
        raise bad_field("seq", "beyond the newest message")


def _refusal(tx: Transaction, work: Work) -> ImError | None:
    try:
        _check(tx, work)
    except ImError as refusal:
        return refusal
    return None


def _receipt(work: Work, read_seq: int) -> Push:
    user, conversation = work.sender.user, work.args.conversation
    frame = Raw(write_frame("receipt", codec.write_struct(replies.Receipt(conversation, user, read_seq))))
    excluded = work.envelope.from_connection
    if conversation.startswith("g:"):
        return Push(frame, users=[user], excluded=excluded)
    return push_to(conversation, frame, excluded=excluded)


def read_all(works: list[Work], services: Services) -> list[Outcome]:
    """Move each cursor as far as the furthest of its reads; each outcome tells where its cursor stands now. A read
    under a cid that its client chose leaves its answer there, any other one nothing.

    Refusals among the outcomes: not_found, bad_field for a seq beyond the newest message, and conflict.
    """
    without = [work for work in works if not work.has_own_cid]
    outcomes = iter(_read_together(without, services) if without else ())
    return [_read_once(work, services) if work.has_own_cid else next(outcomes) for work in works]


def _read_once(work: Work, services: Services) -> Outcome:
    user, conversation = work.sender.user, work.args.conversation

    def decide(scope: WriteScope) -> replies.Reply:
        _check(scope.tx, work)
        cursors.read_up_to(scope.tx, [(user, conversation, work.args.seq)])
        return replies.ReadUpTo(cursors.get(scope.tx, [(user, conversation)])[user, conversation][0])

    def answer(row: MessageRow, is_repeated: bool) -> Outcome:
        reply = codec.decoder_of(replies.ReadUpTo)(row.body)
        return replied(reply, _receipt(work, reply.read_seq))

    try:
        return once_in_pool(work, services, decide, answer)
    except ImError as refusal:
        return Outcome(refusal)


def _read_together(works: list[Work], services: Services) -> list[Outcome]:
    with services.database.transaction() as tx:
        refusals = [_refusal(tx, work) for work in works]
        furthest: dict[tuple[str, str], int] = {}
        for work, refusal in zip(works, refusals, strict=True):
            if refusal is None:
                pair = (work.sender.user, work.args.conversation)
                furthest[pair] = max(furthest.get(pair, 0), work.args.seq)
        cursors.read_up_to(tx, ((user, conversation, seq) for (user, conversation), seq in furthest.items()))
        stands = cursors.get(tx, sorted(furthest))
    outcomes = []
    for work, refusal in zip(works, refusals, strict=True):
        if refusal is not None:
            outcomes.append(Outcome(refusal))
            continue
        read_seq = stands[work.sender.user, work.args.conversation][0]
        outcomes.append(replied(replies.ReadUpTo(read_seq), _receipt(work, read_seq)))
    return outcomes
