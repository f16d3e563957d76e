"""A client's command, read from its text in one pass: the usual case, a frame in which every field is known and right.

Law: a frame that `read_command` does not take may still be good. It is then read carefully by `read_frame`, `find_op`
and `read_args`, which accept unusual frames and name the fault of a wrong one. Pure.
"""

from __future__ import annotations

from functools import cache
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from protocol import codec
from protocol.errors import ImError
from protocol.frames import MAX_CLIENT_FRAME_BYTES, MAX_ID_CHARACTERS
from protocol.ops import CLIENTS, OPS, Op, checked


class ClientCommand(msgspec.Struct, frozen=True, gc=False):
    """A command as a client sent it. `args` is an `op.args`; `id` is None where no answer is wanted."""

    op: Op
    args: Any
    id: str | None


class _Envelope(msgspec.Struct):
    """A frame whose data is looked at next, by the decoder of the op's arguments."""

    op: str
    id: Annotated[str, Meta(min_length=1, max_length=MAX_ID_CHARACTERS)] | None = None
    data: Raw = Raw(b"{}")


@cache
def _whole(args: type[msgspec.Struct]) -> type[msgspec.Struct]:
    """`args` that refuses unknown fields: msgspec skips their values, and would miss a number such as 1e999."""
    return msgspec.defstruct(args.__name__, [], bases=(args,), forbid_unknown_fields=True)


def read_command(text: str) -> ClientCommand | None:
    """The command of a logged-in client in `text`, a frame of section 2; None where it must be read carefully."""
    if len(text) > MAX_CLIENT_FRAME_BYTES:
        return None
    envelope = codec.read_plain(text, _Envelope)
    if envelope is None:
        return None
    op = OPS.get(envelope.op)
    if op is None or op.callers.isdisjoint(CLIENTS):
        return None
    args = codec.decode_plain(envelope.data, _whole(op.args))
    try:
        return None if args is None else ClientCommand(op, checked(args), envelope.id)
    except ImError:
        return None
