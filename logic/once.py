"""A write is carried out once: the frame that every op which writes runs in.

Laws: all that a sender writes is fenced by one key (sender, cid). In its own transaction a write leaves a row under it:
its event, or where it has none, what it answered (store/done.py). When the row is found, nothing is changed, the answer
is given again and everybody concerned is told again; other content under that cid is `conflict`, whatever op used it
first. The cid is looked up before permissions.
"""

from __future__ import annotations

from collections.abc import Callable

from logic.outcome import Outcome
from logic.scope import Scope
from logic.services import Services
from logic.work import Work
from protocol import codec
from protocol.errors import conflict
from protocol.replies import Reply
from store import done, messages, outbox
from store.messages import MessageRow
from store.transaction import Transaction

Left = MessageRow | Reply
"""What a write leaves: its event row, already appended, or a reply to be remembered."""

Answer = Callable[[MessageRow, bool], Outcome]
"""The outcome of (the row that a write left, whether it was found again)."""


def stored_reply(row: MessageRow, is_repeated: bool) -> Outcome:
    """The answer of a write that leaves no event."""
    return Outcome(row.body.encode())


def once(work: Work, scope: Scope, decide: Callable[[], Left], answer: Answer = stored_reply) -> Outcome:
    """An ordered write. `decide` refuses (ImError) before it changes anything. Raises ImError."""
    row = scope.earlier(work)
    is_repeated = row is not None
    if row is not None:
        _require_same(row, work)
    else:
        row = _left(scope.tx, work, scope.now_ms, decide())
    return stored_reply(row, is_repeated) if row.conversation == done.CONVERSATION else answer(row, is_repeated)


def once_in_pool(
    work: Work, services: Services, decide: Callable[[Transaction, int], Reply], answer: Answer = stored_reply
) -> Outcome:
    """A write of a conversation that nobody owns, in a transaction of its own; `decide` is given it and the time (ms).
    Raises ImError, StoreError; Duplicate where the same write is committed meanwhile: it is found when done again."""
    with services.database.transaction() as tx:
        row = messages.by_cids(tx, [work.pair]).get(work.pair)
        is_repeated = row is not None
        if row is not None:
            _require_same(row, work)
        else:
            now = services.now_ms()
            row = _left(tx, work, now, decide(tx, now))
        if work.envelope.emitted:
            outbox.remove(tx, [work.pair])
    return answer(row, is_repeated)


def _require_same(row: MessageRow, work: Work) -> None:
    if row.digest != work.digest():
        raise conflict()


def _left(tx: Transaction, work: Work, now_ms: int, left: Left) -> MessageRow:
    if isinstance(left, MessageRow):
        return left
    row = done.row(*work.pair, work.op.name, work.digest(), codec.write_struct(left).decode(), now_ms)
    messages.insert(tx, [row])
    return row
