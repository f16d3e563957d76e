"""One command on its way through a worker, with its typed arguments and the conversation that it changes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from protocol.digest import content_digest
from protocol.errors import ImError, unknown_op
from protocol.models import ReceiveInfo, UserInfo
from protocol.ops import OPS, Op, decode_args


@dataclass(slots=True)
class Work:
    """`envelope` is the command as it came, `args` an `op.args`, `key` the conversation that it changes ("" for an op
    without an owner).

    `redelivered`: it was delivered before. Then `is_counted` and `came_back_before` tell what was done about it in
    logic/workers/redelivery.py, so that nothing is done twice. `is_written`: a transaction that
    carried it out was sent its COMMIT, whatever came back. `guessed_under` are the names under which its password was
    counted as a guess (logic/handlers/people/guessing.py), None before that.
    """

    envelope: ReceiveInfo
    op: Op
    args: Any
    key: str
    redelivered: bool = False
    is_written: bool = False
    is_counted: bool = False
    came_back_before: bool | None = None
    guessed_under: tuple[str, ...] | None = None

    @property
    def has_own_cid(self) -> bool:
        """Whether the client chose the cid; else the gateway or the system did, and it begins with `~`."""
        return not self.args.cid.startswith("~")

    @property
    def may_be_stored(self) -> bool:
        """Whether it may be carried out already, by this worker or another. Law: then nobody says that nothing was
        done, until a transaction that looked its cid up has given its outcome."""
        return self.redelivered or self.is_written

    @property
    def sender(self) -> UserInfo:
        """Who asks; `user` is "" for a caller without a token."""
        return self.envelope.sender

    @property
    def pair(self) -> tuple[str, str]:
        """(sender, cid): the name of this write for ever. Only for an op that writes."""
        return self.envelope.sender.user, self.args.cid

    def digest(self) -> bytes:
        """The digest of the request, 16 bytes: it tells a retry from other content under the same cid."""
        return content_digest(self.envelope.op, self.args.without_secrets())


def read_work(envelope: ReceiveInfo, *, redelivered: bool) -> Work | ImError:
    """The work of a command; the refusal (unknown_op, bad_field, too_large) where there is no such op, or its arguments
    are wrong. Raises nothing."""
    op = OPS.get(envelope.op)
    if op is None:
        return unknown_op()
    try:
        args = decode_args(op, envelope.data)
    except ImError as refusal:
        return refusal
    key = op.key(envelope.sender, args) if op.key is not None else ""
    return Work(envelope, op, args, key, redelivered)
