"""JSON in and out: msgspec reads, because it is strict; structs are written by msgspec, plain values by ujson.

Law: `read` returns what strict JSON means, or raises ValueError. ujson would accept NaN, lone surrogates, control
characters and `01` (measured, 6.1), which protocol.md section 2 calls bad frames: docs/decisions/0002-json.md.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import msgspec
import ujson
from msgspec import Raw

MAX_DEPTH = 16

# A string that nothing closes is taken to the end of the text, so that no text is looked at twice: written with a plain
# `*` and a closing quote, 64 KiB of `\"` take a minute.
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*+"?|[\[{\]}]', re.DOTALL)

Shape = TypeVar("Shape", bound=msgspec.Struct)

_decode = msgspec.json.Decoder().decode


class IntegerOutOfRange(ValueError):
    """An integer of thousands of digits, which no field can hold."""


def _is_too_deep(text: str) -> bool:
    if text.count("{") + text.count("[") <= MAX_DEPTH:
        return False
    depth = 0
    for token in _STRING_OR_BRACKET.finditer(text):
        first = text[token.start()]
        if first in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif first in "]}":
            depth -= 1
    return False


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
    if _is_too_deep(text):
        raise ValueError("nested too deep")
    try:
        value = _decode(text)
    except msgspec.ValidationError as error:
        raise (IntegerOutOfRange if "Integer" in str(error) else ValueError)(str(error)) from None
    if "\\u0000" in text:
        _refuse_nul(value)
    return value


@cache
def decoder_of(kind: type[Shape]) -> Callable[[str | Raw], Shape]:
    """A function from JSON to a `kind`, made once for each kind. It raises msgspec.MsgspecError, and does not check
    what `read` checks beyond msgspec: depth and U+0000."""
    return msgspec.json.Decoder(kind).decode


def read_plain(text: str, kind: type[Shape]) -> Shape | None:
    """A `kind` from `text` in one pass; None where `text` is no such struct, or where `read` must look closer."""
    if text.count("{") + text.count("[") > MAX_DEPTH or ("\\" in text and "\\u0000" in text):
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
