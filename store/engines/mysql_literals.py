"""Rows as SQL of MariaDB and MySQL. Pure. For an INSERT of hundreds PyMySQL's own way takes as long as the server.

Law: right only for a session in utf8mb4 whose sql_mode has neither ANSI_QUOTES nor NO_BACKSLASH_ESCAPES. There strings,
numbers and null are written in SQL as in JSON, except control characters that JSON writes as \\u.... or \\f.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

from store.engines.engine import Row

STATEMENT_BYTES = 1024 * 1024  # well under the smallest max_allowed_packet that is in use

_encode = msgspec.json.encode


def insert_statements(head: str, rows: Sequence[Row], tail: str) -> Iterator[bytes]:
    """INSERT statements with many rows each, of at most 1 MiB; a longer row has one of its own. `rows` is not empty.

    A column holds str, int, bool and None, or bytes and None. Raises UnicodeEncodeError for half a surrogate,
    OverflowError for an integer beyond 64 bits.
    """
    binary = [place for place, column in enumerate(zip(*rows, strict=True)) if bytes in set(map(type, column))]
    values: list[str] = []
    size = 0
    for row in rows:
        value = _literals(row, binary)
        if values and size + len(value) * 4 > STATEMENT_BYTES:
            yield _statement(head, values, tail)
            values, size = [], 0
        values.append(value)
        size += len(value) * 4  # no character of UTF-8 has more
    yield _statement(head, values, tail)


def _statement(head: str, values: list[str], tail: str) -> bytes:
    return f"{head}({'),('.join(values)}){tail}".encode()


def _literals(row: Row, binary: list[int]) -> str:
    """`"ann",7,null,X'00ff'`; `binary` are the places of the columns with bytes."""
    if not binary:
        return _texts(row)
    parts = []
    begin = 0
    for at in binary:
        if at > begin:
            parts.append(_texts(row[begin:at]))
        parts.append("null" if row[at] is None else f"X'{row[at].hex()}'")
        begin = at + 1
    if begin < len(row):
        parts.append(_texts(row[begin:]))
    return ",".join(parts)


def _texts(items: Row) -> str:
    text = _encode(items).decode()[1:-1]
    if "\\u" in text or "\\f" in text:  # in SQL a backslash before another letter is dropped
        return ",".join(map(_literal, items))
    return text


def _literal(item: Any) -> str:
    if isinstance(item, str):
        return "'" + item.replace("\\", "\\\\").replace("'", "\\'") + "'"
    return _encode(item).decode()
