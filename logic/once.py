"""A write is carried out once: the frame that every op which writes runs in.

Laws: all that a sender writes is fenced by one key (sender, cid). In its own transaction a write leaves a row under it:
its event, or where it has none, what it answered (store/done.py). When the row is found, nothing is changed, the answer
is given again and everybody concerned is told again; other content under that cid is `conflict`, whatever op used it
first. The cid is looked up before permissions.
"""

from __future__ import annotations

from collections.abc import Callable

from logic.outcome import Outcome
from logic.scope import Scope, WriteScope
from logic.services import Services
from logic.work import Work
from protocol import codec
from protocol.errors import conflict
from protocol.replies import Reply
from store import done, messages, outbox
from store.messages import MessageRow

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
        row = _left(work, scope, decide())
    outcome = stored_reply(row, is_repeated) if row.conversation == done.CONVERSATION else answer(row, is_repeated)
    outcome.emitted += scope.take_emitted()
    return outcome


def once_in_pool(
    work: Work, services: Services, decide: Callable[[WriteScope], Reply], answer: Answer = stored_reply
) -> Outcome:
    """A write of nobody's conversation, in a transaction of its own, which `decide` is given. Raises ImError,
    StoreError; Duplicate where the same write is committed meanwhile: it is found when done again."""
    now = services.now_ms()
    with services.database.transaction() as tx:
        scope = WriteScope(tx, now)
        row = messages.by_cids(tx, [work.pair]).get(work.pair)
        is_repeated = row is not None
        if row is not None:
            _require_same(row, work)
        else:
            row = _left(work, scope, decide(scope))
        if work.envelope.emitted:
            outbox.remove(tx, [work.pair])
    outcome = answer(row, is_repeated)
    outcome.emitted += scope.take_emitted()
    return outcome


def _require_same(row: MessageRow, work: Work) -> None:
    if row.digest != work.digest():
        raise conflict()


def _left(work: Work, scope: WriteScope, left: Left) -> MessageRow:
    if isinstance(left, MessageRow):
        return left
    row = done.row(*work.pair, work.op.name, work.digest(), codec.write_struct(left).decode(), scope.now_ms)
    messages.insert(scope.tx, [row])
    return row
