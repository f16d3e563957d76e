"""What is wrong with a configuration, as a sentence: which setting, what it may be, what was written instead."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from conf.values import describe, fields_of, is_secret, shown

_PLACE = re.compile(r" - at `\$\.?(?P<section>\w+)(?:\.(?P<key>\w+))?[^`]*`\Z")
_UNKNOWN = re.compile(r"^Object contains unknown field `(?P<name>.*?)`(?: - at `\$\.(?P<section>\w+)`)?\Z", re.DOTALL)


class BadSettings(Exception):
    """The configuration cannot be used; the message says what to write instead."""


def sentence(
    error: msgspec.ValidationError, shape: type[msgspec.Struct], tree: Mapping[str, Any], variables: Mapping[str, str]
) -> str:
    """What `error` says of `tree`, which was to become `shape`. `variables` are the settings, such as "gateway.port",
    that came from the environment, each with the variable's name."""
    if unknown := _UNKNOWN.match(str(error)):
        return _unknown(shape, unknown["section"], unknown["name"], variables)
    place = _PLACE.search(str(error))
    assert place is not None, str(error)
    section, key = place["section"], place["key"]
    field = _fields(shape)[section]
    written = tree[section]
    if key is not None:
        assert isinstance(field.type, msgspec.inspect.StructType)
        field = _fields(field.type.cls)[key]
        written = written[key]
    name = f"{section}.{key}" if key is not None else section
    source = f" ({variables[name]})" if name in variables else ""
    wanted = f"a section [{name}]" if isinstance(field.type, msgspec.inspect.StructType) else describe(field.type)
    what = "what was written" if is_secret(field.type) else shown(field.type, written)
    return f"{name}{source} must be {wanted}, not {what}."


def nearest(name: str, names: Iterable[str]) -> str:
    """A question that ends in the one of `names` that `name` resembles; empty where it resembles none."""
    found = difflib.get_close_matches(name, names, 1)
    return f" Did you mean {found[0]}?" if found else ""


def _unknown(shape: type[msgspec.Struct], section: str | None, name: str, variables: Mapping[str, str]) -> str:
    fields = _fields(shape)
    if section is None:
        return f"there is no setting or section {name!r}.{nearest(name, fields)} There are {', '.join(fields)}."
    inner = fields[section].type
    assert isinstance(inner, msgspec.inspect.StructType)
    known = sorted(_fields(inner.cls))
    variable = variables.get(f"{section}.{name}")
    source, meant = "", nearest(name, known)
    if variable is not None:
        source = f" ({variable})"
        stem = variable[: -len(name)]
        meant = nearest(variable, [stem + key.upper() for key in known])
    return f"[{section}] has no setting {name!r}{source}.{meant} It has {', '.join(known)}."


def _fields(shape: type[msgspec.Struct]) -> dict[str, msgspec.inspect.Field]:
    return {field.name: field for field in fields_of(shape)}
