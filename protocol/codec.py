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
    """An integer that no field of ours can hold."""


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
    """The value of strict JSON. Raises ValueError: not JSON, nested deeper than 16, NaN, U+0000, half a surrogate;
    IntegerOutOfRange for one of thousands of digits."""
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
    """What reads a `kind` from strict JSON, made once. Raises msgspec.MsgspecError."""
    return msgspec.json.Decoder(kind).decode


def read_plain(text: str, kind: type[Shape]) -> Shape | None:
    """The struct that `text` plainly is; None where that takes a closer look by `read`. One pass for the usual case."""
    if text.count("{") + text.count("[") > MAX_DEPTH or ("\\" in text and "\\u0000" in text):
        return None
    return decode_plain(text, kind)


def decode_plain(encoded: str | Raw, kind: type[Shape]) -> Shape | None:
    """`read_plain` of a part of what was looked through already."""
    decode: Callable[[str | Raw], Shape] = decoder_of(kind)
    try:
        return decode(encoded)
    except (msgspec.MsgspecError, ValueError, RecursionError):
        return None


def write(value: Any) -> bytes:
    """Compact UTF-8 JSON of plain values."""
    return ujson.dumps(value, ensure_ascii=False, escape_forward_slashes=False, allow_nan=False).encode()


_encoder = msgspec.json.Encoder()

write_struct = _encoder.encode


def canonical(value: Any) -> bytes:
    """JSON with sorted keys: the same bytes for the same content, for digests."""
    return msgspec.json.encode(value, order="sorted")
