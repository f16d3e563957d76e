"""A client's command read in one pass from its text: the usual case, in which all that is there is known and right.

Law: what this refuses is not wrong yet. It takes the careful way, which tells what is wrong and takes what is odd:
`read_frame`, `find_op`, `read_args`.
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
    """`args` are the typed arguments of `op`; `id` is None where no answer is wanted."""

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
    """The command that a logged-in client sends; None where that takes a closer look."""
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
