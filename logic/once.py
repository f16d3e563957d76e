"""A write is carried out once: the frame in which every op that writes one by one runs (lists: messages/sends.py).

Laws: one key, (sender, cid), fences everything that a sender writes. A write leaves a row under it in its own
transaction: its event, or, where it has no event, its answer (store/tables/done.py). When a retry finds the row,
nothing is changed, the answer is given again, and everybody concerned is told again. Other content under the cid is
`conflict`, whichever op used it first. The cid is looked up before permissions; but who asks must be known first, so a
caller without a token who cannot prove any more who it is gets nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from logic.outcome import Outcome
from logic.scope import Scope, WriteScope
from logic.services import Services
from logic.work import Work
from protocol import codec
from protocol.errors import ImError, conflict
from protocol.replies import Reply
from store.tables import done, messages, outbox
from store.tables.messages import MessageRow
from store.transaction import Transaction


class Write(NamedTuple):
    """The name of a write for ever, (sender, cid), and the digest of what it asks for, 16 bytes."""

    sender: str
    cid: str
    digest: bytes


Left = MessageRow | Reply
"""What a write leaves: its event row, which is appended already, or the reply to remember."""

Answer = Callable[[MessageRow, bool], Outcome]
"""(row, is_repeated) -> outcome: from the row that the write left, and whether a retry found it."""


def stored_reply(row: MessageRow, is_repeated: bool) -> Outcome:
    """The Answer of a write that leaves no event: its remembered reply, and nothing for others."""
    return Outcome(row.body.encode())


def once(work: Work, scope: Scope, decide: Callable[[], Left], answer: Answer = stored_reply) -> Outcome:
    """Carry out a write of an ordered worker, in the transaction of `scope`.

    `decide` is called unless the cid was used before; it refuses by raising ImError, before it changes anything.
    `answer` is called each time. Raises what `decide` raises; ImError conflict; StoreError.
    """
    write = _write(work)
    row = _row_of(scope.tx, write)
    is_repeated = row is not None
    if row is None:
        try:
            row = _left(write, work, scope, decide())
        except ImError:
            scope.drop_emitted()
            raise
    emitted = scope.put_emitted()
    outcome = stored_reply(row, is_repeated) if row.conversation == done.CONVERSATION else answer(row, is_repeated)
    outcome.emitted += emitted
    return outcome


def once_in_pool(
    work: Work,
    services: Services,
    decide: Callable[[WriteScope], Reply],
    answer: Answer = stored_reply,
    write: Write | None = None,
) -> Outcome:
    """Carry out a write of a pool worker, in a transaction of its own, which `decide` is given as a scope.

    `decide` and `answer` as in `once`; the time of the row is that of the scope. `write` is given where the caller is
    known by what it asks with and not by a token, or where the digest is a special one. Raises what `decide` raises;
    ImError conflict; StoreError. Duplicate means that the same write was committed meanwhile by another worker: called
    again this finds it.
    """
    now, write = services.now_ms(), write or _write(work)
    with services.database.transaction() as tx:
        scope = WriteScope(tx, now)
        row = _row_of(tx, write)
        is_repeated = row is not None
        if row is None:
            row = _left(write, work, scope, decide(scope))
        emitted = scope.put_emitted()
        if work.envelope.emitted:
            outbox.remove(tx, [work.pair])
    work.is_written = True  # if the store fails `answer`, nobody may say that nothing was done
    outcome = answer(row, is_repeated)
    outcome.emitted += emitted
    return outcome


def claim(tx: Transaction, write: Write, op: str, now_ms: int) -> None:
    """Use up the cid of a write that comes to the same however often it is carried out, and so has no answer to
    remember. Raises ImError conflict; Duplicate where another transaction has just done the same."""
    if _row_of(tx, write) is None:
        messages.insert(tx, [done.row(*write[:2], op, write.digest, "{}", now_ms)])


def _write(work: Work) -> Write:
    return Write(*work.pair, work.digest())


def _row_of(tx: Transaction, write: Write) -> MessageRow | None:
    """The row that this write left when it was carried out before, by any worker; None where it was not. Raises ImError
    conflict where something else left it."""
    row = messages.by_cids(tx, [write[:2]]).get(write[:2])
    if row is not None and row.digest != write.digest:
        raise conflict()
    return row


def _left(write: Write, work: Work, scope: WriteScope, left: Left) -> MessageRow:
    if isinstance(left, MessageRow):
        return left
    reply = codec.write_struct(left).decode()
    row = done.row(write.sender, write.cid, work.op.name, write.digest, reply, scope.now_ms)
    messages.insert(scope.tx, [row])
    return row
