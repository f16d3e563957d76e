"""One command on its way through a worker, with its typed arguments and its conversation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from protocol.digest import content_digest
from protocol.errors import ImError
from protocol.models import ReceiveInfo, UserInfo
from protocol.ops import OPS, Op, decode_args


@dataclass(slots=True)
class Work:
    """`key` is the conversation that the command changes, "" for one that runs in parallel. A redelivered one is
    noted or counted in the store once before it is run: see redelivery.py."""

    command: ReceiveInfo
    op: Op
    args: Any
    key: str
    redelivered: bool = False
    is_counted: bool = False
    came_back_before: bool | None = None

    @property
    def sender(self) -> UserInfo:
        return self.command.sender

    @property
    def pair(self) -> tuple[str, str]:
        """(sender, cid): what names this write for ever."""
        return self.command.sender.user, self.args.cid

    def digest(self) -> bytes:
        """Of the original request: 16 bytes that tell a retry from other content under the same cid."""
        return content_digest(self.command.op, self.args)


def read_work(command: ReceiveInfo, *, redelivered: bool) -> Work | ImError:
    """The work that a command asks for, or why it asks for none."""
    op = OPS.get(command.op)
    if op is None:
        return ImError("unknown_op", "there is no such op")
    try:
        args = decode_args(op, command.data)
    except ImError as refusal:
        return refusal
    key = op.key(command.sender, args) if op.key is not None else ""
    return Work(command, op, args, key, redelivered)
