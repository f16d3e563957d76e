"""What a write causes elsewhere: commands of their own, which reach their queue whatever fails (store/outbox.py).

Laws: a handler appends only to the conversation of its own key; for every other it emits. An emitted command's cid
derives from that of the write that causes it, so that it is carried out once however often it is sent. Emitted commands
are not ordered among each other.
"""

from __future__ import annotations

from typing import NamedTuple

from logic.work import Work
from protocol import codec, ids
from protocol.args import WriteArgs
from protocol.models import UserInfo
from protocol.ops import OPS
from store import outbox
from store.outbox import OutboxRow
from store.transaction import Transaction

SYSTEM = UserInfo(ids.SYSTEM_USER)


class Emission(NamedTuple):
    """A command to be carried out because of another; `target` tells it from others of the same cause."""

    op: str
    target: str
    args: WriteArgs
    sender: UserInfo = SYSTEM


def emit(tx: Transaction, work: Work, *emissions: Emission) -> list[OutboxRow]:
    """Write down what `work` causes, in its own transaction; the rows go into its outcome, to be sent at once."""
    rows = [_row(work, emission) for emission in emissions]
    outbox.put(tx, rows)
    return rows


def _row(work: Work, emission: Emission) -> OutboxRow:
    op, args, sender = OPS[emission.op], emission.args, emission.sender
    args.cid = ids.derived_cid(*work.pair, emission.op, emission.target)
    key = op.key(sender, args) if op.key is not None else ""
    return OutboxRow(sender.user, args.cid, op.name, key, codec.write_struct(args).decode())
