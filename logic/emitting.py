"""What a write causes elsewhere: further commands, which reach their queues whatever fails (store/tables/outbox.py).

Laws: a handler appends only to the conversation of its own key, and emits a command for each other one. The cid of an
emitted command derives from the cid of the write, so that it is carried out once, however often it is sent. Emitted
commands have no order.
"""

from __future__ import annotations

from typing import NamedTuple

from logic.work import Work
from protocol import codec, ids
from protocol.args import WriteArgs
from protocol.models import UserInfo
from protocol.ops import OPS
from store.tables.outbox import OutboxRow

SYSTEM = UserInfo(ids.SYSTEM_USER)


class Emission(NamedTuple):
    """A command to emit. `target`, such as a user, tells it from others with the same op that the same write emits;
    the cid of `args` is filled in by `row_of`."""

    op: str
    target: str
    args: WriteArgs
    sender: UserInfo = SYSTEM


def row_of(work: Work, emission: Emission) -> OutboxRow:
    """The outbox row of a command that `work` emits, under its derived cid. WriteScope.emit writes it."""
    op, args, sender = OPS[emission.op], emission.args, emission.sender
    args.cid = ids.derived_cid(*work.pair, emission.op, emission.target)
    key = op.key(sender, args) if op.key is not None else ""
    return OutboxRow(sender.user, args.cid, op.name, key, codec.write_struct(args).decode())
