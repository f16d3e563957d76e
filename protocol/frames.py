"""From text to a client's frame, and from the server's data to the bytes of a frame (protocol.md section 2). Pure.

Law: `read_frame` returns a Frame or raises ImError, nothing else, whatever the text.
"""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

import msgspec
from msgspec import Meta, Raw

from protocol import codec
from protocol.errors import ImError, bad_field
from protocol.models import SendInfo

MAX_CLIENT_FRAME_BYTES = 64 * 1024
MAX_SERVER_FRAME_BYTES = 128 * 1024
MAX_REPLY_BYTES = MAX_SERVER_FRAME_BYTES - 1024  # of its data: the frame adds an op and an id, long-poll an envelope
MAX_LIST_BYTES = 96 * 1024  # of the entries of a list within a reply
MAX_ID_CHARACTERS = 64


class Frame(NamedTuple):
    """A client's frame; `data` is not looked at yet. `id` is None where no answer is wanted."""

    op: str
    id: str | None
    data: dict[str, Any]


class _FrameShape(msgspec.Struct):
    """A frame whose parts are all there and right."""

    op: str
    id: Annotated[str, Meta(min_length=1, max_length=MAX_ID_CHARACTERS)] | None = None
    data: dict[str, Any] = {}


class BadFrameField(ImError):
    """A frame that is JSON and whose op, id or data is wrong. `id` is that of the frame, for the error to echo; None
    where it has none, or a wrong one."""

    def __init__(self, refusal: ImError, frame_id: str | None) -> None:
        super().__init__(refusal.code, refusal.message, **refusal.extra)
        self.id = frame_id


def bad_frame(why: str) -> ImError:
    """The refusal of bytes that are no frame; the caller raises it."""
    return ImError("bad_frame", f"not a frame: {why}")


def read_object(text: str) -> dict[str, Any]:
    """The JSON object that `text` is, with its numbers as they were written (codec.read_as_written).

    Raises ImError bad_frame; bad_field for an integer of thousands of digits, and for `-0`.
    """
    try:
        value = codec.read_as_written(text)
    except codec.IntegerOutOfRange:
        raise bad_field("data", "an integer is out of range, or -0") from None
    except ValueError:
        raise bad_frame("this is not strict JSON") from None
    if not isinstance(value, dict):
        raise bad_frame("this is not a JSON object")
    return value


def read_frame(text: str) -> Frame:
    """A client's frame: `{"op":"message.send","id":"17","data":{...}}`.

    Raises ImError bad_frame, or too_large over 64 Ki characters (a door has counted the bytes before); BadFrameField
    (unknown_op, bad_field) where it is JSON with a wrong part.
    """
    if len(text) > MAX_CLIENT_FRAME_BYTES:
        raise ImError("too_large", "a frame is at most 64 KiB")
    frame = codec.read_plain(text, _FrameShape)
    if frame is not None:
        return Frame(frame.op, frame.id, frame.data)
    return _read_odd_frame(text)


def _read_odd_frame(text: str) -> Frame:
    """A frame that `read_plain` did not take: find out what is wrong with it, if anything."""
    value = read_object(text)
    frame_id = value.get("id")
    if frame_id is not None and not (isinstance(frame_id, str) and 0 < len(frame_id) <= MAX_ID_CHARACTERS):
        raise BadFrameField(bad_field("id", "a string of 1 to 64 characters"), None)
    op = value.get("op")
    if not isinstance(op, str):
        raise BadFrameField(ImError("unknown_op", "there is no such op"), frame_id)
    data = {} if value.get("data") is None else value["data"]
    if not isinstance(data, dict):
        raise BadFrameField(bad_field("data", "an object"), frame_id)
    return Frame(op, frame_id, data)


def write_frame(op: str, data: bytes = b"{}", frame_id: str | None = None) -> bytes:
    """The bytes of a server's frame: `data` is JSON, `frame_id` the id of the client's frame that it answers."""
    return codec.write_struct(SendInfo(op, frame_id, Raw(data)))


def write_error(refusal: ImError, frame_id: str | None = None) -> bytes:
    """`{"op":"error","id":"17","data":{"code":...,"message":...,"retry":...}}`"""
    return write_frame("error", codec.write(refusal.data()), frame_id)
