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
from store.outbox import OutboxRow

SYSTEM = UserInfo(ids.SYSTEM_USER)


class Emission(NamedTuple):
    """A command to be carried out because of another; `target` tells it from others of the same cause."""

    op: str
    target: str
    args: WriteArgs
    sender: UserInfo = SYSTEM


def row_of(work: Work, emission: Emission) -> OutboxRow:
    """The row of what `work` causes. It is written in the transaction of `work`: WriteScope.emit."""
    op, args, sender = OPS[emission.op], emission.args, emission.sender
    args.cid = ids.derived_cid(*work.pair, emission.op, emission.target)
    key = op.key(sender, args) if op.key is not None else ""
    return OutboxRow(sender.user, args.cid, op.name, key, codec.write_struct(args).decode())
