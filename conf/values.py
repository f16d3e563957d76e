"""What may be written as a setting: types with their limits, and in words what to write.

Law: the description of a type ends the sentence "gateway.port must be ...".
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any

import msgspec
from msgspec import Meta

MAX_PORT = 65_535
# A number of this size is a mistake, and what reads our configurations (nginx, Redis, the kernel) takes no larger one.
MAX_COUNT = 1_000_000_000
MAX_SECONDS = 86_400
# Each component of a kind has its own number, and ports count up from the first of its kind.
MAX_COMPONENTS = 90

Port = Annotated[int, Meta(ge=1, le=MAX_PORT, description=f"a port, 1 to {MAX_PORT}")]
Count = Annotated[int, Meta(ge=1, le=MAX_COUNT, description=f"a whole number, 1 to {MAX_COUNT}")]
CountOrZero = Annotated[int, Meta(ge=0, le=MAX_COUNT, description=f"a whole number, 0 to {MAX_COUNT}")]
Components = Annotated[int, Meta(ge=1, le=MAX_COMPONENTS, description=f"a whole number, 1 to {MAX_COMPONENTS}")]
Short = Annotated[int, Meta(ge=1, le=65_535, description="a whole number, 1 to 65535")]
"""AMQP's 16 bits, where 0 would mean none or without limit."""
Bytes = Annotated[int, Meta(ge=1, le=MAX_COUNT, description=f"a whole number of bytes, 1 to {MAX_COUNT}")]
Seconds = Annotated[
    float, Meta(gt=0, le=MAX_SECONDS, description=f"a number of seconds, above 0 and at most {MAX_SECONDS}")
]
SecondsOrZero = Annotated[float, Meta(ge=0, le=MAX_SECONDS, description=f"a number of seconds, 0 to {MAX_SECONDS}")]
WholeSeconds = Annotated[int, Meta(ge=1, le=MAX_COUNT, description=f"a whole number of seconds, 1 to {MAX_COUNT}")]
WholeSecondsOrZero = Annotated[
    int, Meta(ge=0, le=MAX_COUNT, description=f"a whole number of seconds, 0 to {MAX_COUNT}")
]

# What a contract promises for so long is kept for so long (docs/protocol.md section 1).
PROMISED_S = 30 * 86_400
PromisedSeconds = Annotated[
    int,
    Meta(ge=PROMISED_S, le=MAX_COUNT, description=f"a whole number of seconds, {PROMISED_S} (30 days) to {MAX_COUNT}"),
]

# RabbitMQ counts the milliseconds of a message's life in 32 bits.
MAX_LIFE_S = 49 * 86_400
LifeSeconds = Annotated[
    int, Meta(ge=1, le=MAX_LIFE_S, description=f"a whole number of seconds, 1 to {MAX_LIFE_S} (49 days)")
]

Host = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9._:%-]+\Z", description='a host name or an address in quotes, such as "127.0.0.1"')
]
Name = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,64}\Z", description="a name in quotes, 1 to 64 of A-Z a-z 0-9 _ . -")
]
Prefix = Annotated[
    str, Meta(pattern=r"^[A-Za-z0-9_.-]{1,32}\Z", description="a word in quotes, 1 to 32 of A-Z a-z 0-9 _ . -")
]
Text = Annotated[str, Meta(description='text in quotes, such as "/"')]
# RabbitMQ, MariaDB, nginx and Lua would each want these quoted in another way, or not at all; ops/checkout.sh knows the
# same.
_ODD = r"\s\x00-\x1f\x7f'\"`#$;\\{}()\[\]<>&|*?:"
_PLAIN = "without spaces and ' \" ` # $ ; \\ { } ( ) [ ] < > & | * ? :"
File = Annotated[
    str,
    Meta(pattern=rf"^[^{_ODD}]+\Z", description=f'the path of a file in quotes, such as "hongyan.sqlite3", {_PLAIN}'),
]
FileOrNone = Annotated[
    str,
    Meta(pattern=rf"^[^{_ODD}]*\Z", description=f'the path of a file in quotes, such as "var/tls/key.pem", {_PLAIN}'),
]
Directory = Annotated[
    Path, Meta(description=f'the path of a directory in quotes, such as "var", which as a whole is {_PLAIN}')
]
Secret = Annotated[str, Meta(description="text in quotes, at least 32 random characters", extra={"is_secret": True})]

# As browsers and the hosts of mini-programs send it: without a path. "null" is said of a page that has no address.
_HOST_AND_PORT = r"[A-Za-z0-9._~:\[\]-]"
_Origin = Annotated[
    str,
    Meta(
        pattern=rf"^(https?://{_HOST_AND_PORT}{{1,255}}|(?!https?:)[a-z][a-z0-9+.-]{{0,31}}://{_HOST_AND_PORT}{{0,255}}|null)\Z"
    ),
]
Origins = Annotated[
    tuple[_Origin, ...], Meta(description='a list of origins of pages, such as ["https://chat.example.com"]')
]
_Address = Annotated[str, Meta(pattern=r"^[0-9A-Fa-f.:]+\Z")]
Addresses = Annotated[tuple[_Address, ...], Meta(description='a list of IP addresses, such as ["127.0.0.1"]')]
_Network = Annotated[str, Meta(pattern=r"^[0-9A-Fa-f.:]+(/[0-9]+)?\Z")]
Networks = Annotated[
    tuple[_Network, ...], Meta(description='a list of IP addresses or networks, such as ["127.0.0.0/8", "::1"]')
]


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Settings that stand together. Its repr leaves out what is secret."""

    def __repr__(self) -> str:
        secret = {field.name for field in fields_of(type(self)) if is_secret(field.type)}
        shown = (f"{name}={getattr(self, name)!r}" for name in self.__struct_fields__ if name not in secret)
        return f"{type(self).__name__}({', '.join(shown)})"


def fields_of(shape: type[msgspec.Struct]) -> tuple[msgspec.inspect.Field, ...]:
    """The fields of a struct with their types as msgspec sees them."""
    info = msgspec.inspect.type_info(shape)
    assert isinstance(info, msgspec.inspect.StructType)
    return info.fields


def is_secret(kind: msgspec.inspect.Type) -> bool:
    """Whether a value of this type must never be shown."""
    return isinstance(kind, msgspec.inspect.Metadata) and bool((kind.extra or {}).get("is_secret"))


def is_list(kind: msgspec.inspect.Type) -> bool:
    """Whether it holds several values."""
    bare = kind.type if isinstance(kind, msgspec.inspect.Metadata) else kind
    return isinstance(bare, msgspec.inspect.VarTupleType)


def describe(kind: msgspec.inspect.Type) -> str:
    """What to write for a value of this type."""
    if isinstance(kind, msgspec.inspect.LiteralType):
        return f"one of {', '.join(map(str, kind.values))}"
    assert isinstance(kind, msgspec.inspect.Metadata) and kind.extra_json_schema, f"{kind} has no description"
    return str(kind.extra_json_schema["description"])


def from_text(kind: type[Any], value: Any) -> Any:
    """What msgspec does not read by itself: paths, which are made absolute. Raises ValueError."""
    if kind is Path and isinstance(value, str) and value:
        path = Path(value).absolute()
        if not re.search(f"[{_ODD}]", str(path)):
            return path
    raise ValueError("it is no path")


def shown(kind: msgspec.inspect.Type, value: Any) -> str:
    """A value of this type as a sentence shows what was written: a directory as a whole."""
    bare = kind.type if isinstance(kind, msgspec.inspect.Metadata) else kind
    is_path = isinstance(bare, msgspec.inspect.CustomType) and bare.cls is Path and isinstance(value, str) and value
    return repr(str(Path(value).absolute()) if is_path else value)
