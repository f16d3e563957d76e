"""From decoded JSON to a struct of ours, field by field: what is wrong is refused by the name of its field. Pure.

Law: `null` for a field that may be left out is as if it were left out, whatever its type (protocol.md section 2).
"""

from __future__ import annotations

from functools import cache
from typing import Any, TypeVar

import msgspec

from protocol import codec
from protocol.errors import ImError, bad_field, too_large
from protocol.visible import in_words

Shape = TypeVar("Shape", bound=msgspec.Struct)


@cache
def _optional(kind: type[msgspec.Struct]) -> frozenset[str]:
    """The names of the fields that may be left out."""
    return frozenset(field.encode_name for field in msgspec.structs.fields(kind) if not field.required)


def read_fields(data: dict[str, Any], kind: type[Shape]) -> Shape:
    """A `kind` from what `codec.read_as_written` gave. Raises ImError bad_field, which names the field; too_large for a
    list over its limit."""
    if None in data.values():
        optional = _optional(kind)
        data = {name: value for name, value in data.items() if value is not None or name not in optional}
    try:
        return codec.convert(data, kind)
    except msgspec.ValidationError as error:
        raise refusal_of(error) from None


def refusal_of(error: msgspec.ValidationError) -> ImError:
    """The refusal that names the field which msgspec complains about: "Expected `str`, got `int` - at `$.body.text`" or
    "Object missing required field `cid`"."""
    text = in_words(str(error))
    what, _, path = text.partition(" - at `$")
    if not path:  # of a key of an object it says "... - at `key` in `$.cursors`"
        what, _, path = text.partition(" - at `key` in `$")
    field = path.strip("`.").partition("[")[0].partition(".")[0]
    if "missing required field" in what:
        field = what.rsplit("`", 2)[1]
        return bad_field(field, "it is missing")
    if "of length <=" in what and "`str`" not in what:
        return too_large(f"{field or 'data'}: {what.lower()}")
    return bad_field(field or "data", what[:1].lower() + what[1:])
