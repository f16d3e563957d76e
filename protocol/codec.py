"""JSON in and out: msgspec reads, because it is strict; structs are written by msgspec, plain values by ujson.

Laws: `read` returns what strict JSON means, or raises ValueError. ujson would accept NaN, lone surrogates, control
characters and `01` (measured, 6.1), which protocol.md section 2 calls bad frames: docs/decisions/0002-json.md. A number
that a client wrote where its type is open, as in the body of a message, is never rounded: it stays the text that it was
(docs/decisions/0030-sizes.md).
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import msgspec
import ujson
from msgspec import Raw

MAX_DEPTH = 16

# A string that nothing closes is taken to the end of the text, so that no text is looked at twice: written with a plain
# `*` and a closing quote, 64 KiB of `\"` take a minute.
_STRING = r'"(?:[^"\\]|\\.)*+"?'
_STRING_OR_BRACKET = re.compile(_STRING + r"|[\[{\]}]", re.DOTALL)
_STRING_OR_MINUS_ZERO = re.compile(_STRING + r"|(?<![eE])-0(?![\d.eE])", re.DOTALL)
_MAYBE_MINUS_ZERO = re.compile(r"-0[\s,\]}]")  # begins with what is sought: found at the speed of a search for it

Shape = TypeVar("Shape", bound=msgspec.Struct)

_decode = msgspec.json.Decoder().decode


class IntegerOutOfRange(ValueError):
    """An integer that no field can hold, one of thousands of digits, or that would not come back as it was written:
    `-0`."""


def _as_written(number: str) -> Raw:
    """The text of a number with a fraction or an exponent, as a value that is written again as it is. Raises ValueError
    for one beyond a double, which readers of JSON would make an infinity of, or give up."""
    if -sys.float_info.max <= float(number) <= sys.float_info.max:
        return Raw(number.encode())
    raise ValueError("Number out of range")


_decode_as_written = msgspec.json.Decoder(float_hook=_as_written).decode


def is_deeper(text: str, levels: int) -> bool:
    """Whether the JSON `text` is nested deeper than `levels`."""
    if text.count("{") + text.count("[") <= levels:
        return False
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        first = text[token.start()]
        if first in "[{":
            depth += 1
            if depth > levels:
                return True
        elif first in "]}":
            depth -= 1
    return False


def _has_minus_zero(text: str) -> bool:
    # Dates and ids hold it, too; behind a number one of these comes.
    if "-0" not in text or _MAYBE_MINUS_ZERO.search(text) is None:
        return False
    return any(text[token.start()] == "-" for token in _STRING_OR_MINUS_ZERO.finditer(text))


def _refuse_nul(value: Any) -> None:
    if isinstance(value, str):
        if "\0" in value:
            raise ValueError("U+0000 in a string")
    elif isinstance(value, dict):
        for key, item in value.items():
            _refuse_nul(key)
            _refuse_nul(item)
    elif isinstance(value, list):
        for item in value:
            _refuse_nul(item)


def read(text: str) -> Any:
    """The value of strict JSON (protocol.md section 2).

    Raises ValueError where `text` is not JSON, is nested deeper than 16, or holds NaN, U+0000 or half a surrogate;
    IntegerOutOfRange for an integer of thousands of digits.
    """
    return _read(text, _decode)


def read_as_written(text: str) -> Any:
    """The same of what a client sends: a number with a fraction or an exponent is a Raw of its text. Raises
    IntegerOutOfRange for `-0`, too."""
    if _has_minus_zero(text):
        raise IntegerOutOfRange("-0 is no integer of its own")
    return _read(text, _decode_as_written)


def _read(text: str, decode: Callable[[str], Any]) -> Any:
    if is_deeper(text, MAX_DEPTH):
        raise ValueError("nested too deep")
    try:
        value = decode(text)
    except msgspec.ValidationError as error:
        raise (IntegerOutOfRange if "Integer" in str(error) else ValueError)(str(error)) from None
    if "\\u0000" in text:
        _refuse_nul(value)
    return value


@cache
def decoder_of(kind: type[Shape]) -> Callable[[str | Raw], Shape]:
    """A function from JSON to a `kind`, made once for each kind; numbers in fields of any type are as `read_as_written`
    has them. It raises msgspec.MsgspecError, and does not check what `read_as_written` checks beyond msgspec: depth,
    U+0000, and `-0`."""
    return msgspec.json.Decoder(kind, float_hook=_as_written).decode


def convert(value: Any, kind: type[Shape]) -> Shape:
    """A `kind` from what `read_as_written` gave. Raises msgspec.MsgspecError."""
    decode: Callable[[str | Raw], Shape] = decoder_of(kind)
    return decode(Raw(_encoder.encode(value)))


def read_plain(text: str, kind: type[Shape]) -> Shape | None:
    """A `kind` from `text` in one pass; None where `text` is no such struct, or `read_as_written` must look closer."""
    if text.count("{") + text.count("[") > MAX_DEPTH or ("\\" in text and "\\u0000" in text):
        return None
    if "-0" in text and _MAYBE_MINUS_ZERO.search(text) is not None:
        return None
    return decode_plain(text, kind)


def decode_plain(encoded: str | Raw, kind: type[Shape]) -> Shape | None:
    """A `kind` from a part of a text whose whole passed `read_plain`; None where it is no such struct."""
    decode: Callable[[str | Raw], Shape] = decoder_of(kind)
    try:
        return decode(encoded)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def write(value: Any) -> bytes:
    """Compact UTF-8 JSON of plain values. Raises OverflowError for NaN or infinity."""
    return ujson.dumps(value, ensure_ascii=False, escape_forward_slashes=False, allow_nan=False).encode()


_encoder = msgspec.json.Encoder()

write_struct = _encoder.encode
"""Compact UTF-8 JSON of a struct, as bytes."""


def canonical(value: Any) -> bytes:
    """UTF-8 JSON with sorted keys: the same bytes for the same content, for digests."""
    return msgspec.json.encode(value, order="sorted")
