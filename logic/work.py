"""One command on its way through a worker, with its typed arguments and its conversation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from protocol.digest import content_digest
from protocol.errors import ImError, unknown_op
from protocol.models import ReceiveInfo, UserInfo
from protocol.ops import OPS, Op, decode_args


@dataclass(slots=True)
class Work:
    """`envelope` is the command as it came; `key` the conversation that it changes, "" for one without an owner. One
    that was delivered before is noted or counted in the store once before it is run: see workers/redelivery.py."""

    envelope: ReceiveInfo
    op: Op
    args: Any
    key: str
    redelivered: bool = False
    is_counted: bool = False
    came_back_before: bool | None = None

    @property
    def sender(self) -> UserInfo:
        return self.envelope.sender

    @property
    def pair(self) -> tuple[str, str]:
        """(sender, cid): what names this write for ever."""
        return self.envelope.sender.user, self.args.cid

    def digest(self) -> bytes:
        """Of the original request: 16 bytes that tell a retry from other content under the same cid."""
        return content_digest(self.envelope.op, self.args.without_secrets())


def read_work(envelope: ReceiveInfo, *, redelivered: bool) -> Work | ImError:
    """The work that a command asks for, or why it asks for none."""
    op = OPS.get(envelope.op)
    if op is None:
        return unknown_op()
    try:
        args = decode_args(op, envelope.data)
    except ImError as refusal:
        return refusal
    key = op.key(envelope.sender, args) if op.key is not None else ""
    return Work(envelope, op, args, key, redelivered)
