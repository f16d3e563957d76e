"""What a message may say: the types of protocol.md section 5 and the shape of each body. Pure.

A client sends the types below; `recall` and `notice` are events that only the system writes. A body is kept as it
came: fields that a type does not know are stored with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any

import msgspec
from msgspec import Meta, Raw

from protocol import codec
from protocol.args import Ident, Url
from protocol.errors import bad_field, too_large
from protocol.visible import EMPTY_OR_VISIBLE, NOTHING_TO_SEE, VISIBLE, in_words, is_visible

MAX_TEXT_BYTES = 16 * 1024
MAX_BODY_BYTES = 64 * 1024
# In the reply that holds it deepest, that of conversation.list, a body stands in five levels of others, and a frame has
# 16. In a frame that sends it on it stands in two.
MAX_BODY_DEPTH = codec.MAX_DEPTH - 5
EVENT_TYPES = frozenset({"notice", "recall"})

_ONLY_TEXT = frozenset({str})
_MANY_DIGITS = re.compile(r"\d{19}")

Seconds = Annotated[float, Meta(ge=0, le=86_400)]
Pixels = Annotated[int, Meta(ge=1, le=100_000)]
FileName = Annotated[str, Meta(max_length=255, pattern=VISIBLE)]
Title = Annotated[str, Meta(max_length=255, pattern=EMPTY_OR_VISIBLE)]


class Text(msgspec.Struct):
    """`{"text":"hello"}`, at most 16 KiB of UTF-8 with something visible in it; of `text` and `markdown`."""

    text: str


class Image(msgspec.Struct):
    """`{"url":"https://...","width":640,"height":480}`, sizes in pixels; `thumb` is the URL of a small one."""

    url: Url
    width: Pixels
    height: Pixels
    thumb: Url | None = None


class Voice(msgspec.Struct):
    """`{"url":"https://...","seconds":3.5}`"""

    url: Url
    seconds: Seconds


class Video(msgspec.Struct):
    """`{"url":"https://..."}`"""

    url: Url


class File(msgspec.Struct):
    """`{"url":"https://...","name":"plan.pdf","size":52000}`, `size` in bytes."""

    url: Url
    name: FileName
    size: Annotated[int, Meta(ge=0, le=2**53)]


class Location(msgspec.Struct):
    """`{"lat":25.04,"lng":102.71,"title":"Green Lake"}`, in degrees."""

    lat: Annotated[float, Meta(ge=-90, le=90)]
    lng: Annotated[float, Meta(ge=-180, le=180)]
    title: Title


class Card(msgspec.Struct):
    """`{"user":"bob"}` or `{"group":"team"}`, not both."""

    user: Ident | None = None
    group: Ident | None = None


class Forward(msgspec.Struct):
    """`{"title":"Plans","messages":[{...}]}`, 1 to 100 messages."""

    title: Title
    messages: Annotated[list[dict[str, Any]], Meta(min_length=1, max_length=100)]


class Custom(msgspec.Struct):
    """Any object: its meaning is the clients' own."""


BODIES: dict[str, type[msgspec.Struct]] = {
    "text": Text,
    "markdown": Text,
    "image": Image,
    "voice": Voice,
    "video": Video,
    "file": File,
    "location": Location,
    "card": Card,
    "forward": Forward,
    "custom": Custom,
}


def is_countable(type_: str) -> bool:
    """Whether messages of this type count as unread. Events do not, though they have a seq like every message."""
    return type_ not in EVENT_TYPES


def _check_text(text: str) -> None:
    if len(text) * 4 > MAX_TEXT_BYTES and len(text.encode()) > MAX_TEXT_BYTES:
        raise too_large("text: at most 16 KiB")
    if not is_visible(text):
        raise bad_field("text", NOTHING_TO_SEE)


def check_body(type_: str, body: dict[str, Any]) -> None:
    """Check a body that a client sends as `type_`. Raises ImError bad_field where the type or a field of the body is
    wrong or it is nested too deep, too_large for a text over 16 KiB."""
    kind = BODIES.get(type_)
    if kind is None:
        raise bad_field("type", f"one of {', '.join(BODIES)}")
    try:
        value = msgspec.convert(body, kind) if _holds_only_text(body) else _checked_structure(kind, body)
    except msgspec.ValidationError as error:
        raise bad_field("body", in_words(str(error)).replace("`$.", "`")) from None
    if isinstance(value, Text):
        _check_text(value.text)
    elif isinstance(value, Card) and (value.user is None) == (value.group is None):
        raise bad_field("body", "a card holds a user or a group")


def _holds_only_text(body: dict[str, Any]) -> bool:
    """True of most bodies: what holds only strings has no depth and no numbers."""
    return _ONLY_TEXT.issuperset(map(type, body.values()))


def _checked_structure(kind: type[msgspec.Struct], body: dict[str, Any]) -> msgspec.Struct:
    """The body as its type has it. Raises msgspec.ValidationError; ImError bad_field where it is nested too deep."""
    text = msgspec.json.encode(body).decode()
    if codec.is_deeper(text, MAX_BODY_DEPTH):
        raise bad_field("body", f"nested at most {MAX_BODY_DEPTH} deep")
    decode: Callable[[str], msgspec.Struct] = codec.decoder_of(kind)
    return decode(text)


def _holds_wide_integer(value: Any) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_wide_integer, value.values()))
    if isinstance(value, list):
        return any(map(_holds_wide_integer, value))
    return isinstance(value, int) and not -(2**63) <= value < 2**63


def _shortest(number: str) -> Raw:
    written = repr(float(number))
    if float(number) == 0:
        return Raw(written.encode())
    return Raw(min(written, str(Decimal(written).normalize()).replace("E+", "e"), key=len).encode())


_decode_shortest = msgspec.json.Decoder(float_hook=_shortest).decode


def shortened(body: str) -> bytes:
    """A stored body of more than 64 KiB, with its numbers as short as they can be written. Before they were kept as
    text, 1e15 was stored as 1000000000000000.0: so a frame of 64 KiB became one that no client needs to take."""
    return msgspec.json.encode(_decode_shortest(body))


def encode_body(body: dict[str, Any]) -> str:
    """The body as it is stored and sent: JSON text, its numbers as they were written. Raises ImError too_large over
    64 KiB; bad_field for an integer beyond 64 bits, on which many readers of JSON would give up the whole frame."""
    encoded = msgspec.json.encode(body)
    if len(encoded) > MAX_BODY_BYTES:
        raise too_large("body: at most 64 KiB")
    text = encoded.decode()
    # Only a text with 19 digits in a row can hold such an integer.
    if not _holds_only_text(body) and _MANY_DIGITS.search(text) and _holds_wide_integer(body):
        raise bad_field("body", "a number is out of range")
    return text
