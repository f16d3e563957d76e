"""SQL is written once, as MariaDB and MySQL have it, with %s for a parameter; this file holds what differs. Pure.

Laws of the SQL of this package: no literal %; every value is a parameter; no INSERT IGNORE (it hides bad values);
types, functions and clauses that only one of the engines has come from here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, Protocol

_TABLE = re.compile(r"\s*(?:INSERT INTO|UPDATE|DELETE FROM|CREATE UNIQUE INDEX \w+ ON)\s+(\w+)", re.IGNORECASE)


class Constraint(NamedTuple):
    """A unique key: the name that Duplicate gives it, its table, its name in MySQL, its columns (by which SQLite names
    it)."""

    name: str
    table: str
    key: str
    columns: tuple[str, ...]


CONSTRAINTS = (
    Constraint("users.id", "users", "PRIMARY", ("id",)),
    Constraint("users.username", "users", "username", ("username",)),
    Constraint("users.username", "users", "username_key", ("username_key",)),
    Constraint("sessions.id", "sessions", "PRIMARY", ("id",)),
    Constraint("sessions.refresh_hash", "sessions", "refresh_hash", ("refresh_hash",)),
    Constraint("messages.seq", "messages", "PRIMARY", ("conversation", "seq")),
    Constraint("messages.cid", "messages", "cid", ("sender", "cid")),
    Constraint("cursors", "cursors", "PRIMARY", ("user", "conversation")),
    Constraint("mentions", "mentions", "PRIMARY", ("user", "conversation", "seq")),
    Constraint("chat_groups.id", "chat_groups", "PRIMARY", ("id",)),
    Constraint("members", "members", "PRIMARY", ("chat_group", "user")),
    Constraint("friend_requests", "friend_requests", "PRIMARY", ("user", "peer")),
    Constraint("outbox", "outbox", "PRIMARY", ("sender", "cid")),
    Constraint("leases", "leases", "PRIMARY", ("name",)),
    Constraint("attempts", "attempts", "PRIMARY", ("name",)),
    Constraint("guesses", "guesses", "PRIMARY", ("name",)),
    Constraint("meta", "meta", "PRIMARY", ("name",)),
)
_BY_KEY = {(constraint.table, constraint.key): constraint.name for constraint in CONSTRAINTS}
_BY_COLUMNS = {(constraint.table, constraint.columns): constraint.name for constraint in CONSTRAINTS}


def written_table(sql: str) -> str:
    """The table that a statement writes to, "" where it writes to none. MariaDB's duplicate errors do not name it."""
    found = _TABLE.match(sql)
    return found.group(1) if found else ""


def constraint_of_key(table: str, key: str) -> str:
    """The name in CONSTRAINTS of a key that MariaDB calls "cid" and MySQL 8 "messages.cid"; `{table}.{key}` for a key
    that is not there."""
    key = key.rpartition(".")[2]
    return _BY_KEY.get((table, key), f"{table}.{key}")


def constraint_of_columns(columns: str) -> str:
    """The name in CONSTRAINTS of a key that SQLite calls "messages.sender, messages.cid"; one made of the columns for a
    key that is not there."""
    parts = [part.strip().partition(".") for part in columns.split(",")]
    table, names = parts[0][0], tuple(part[2] for part in parts)
    return _BY_COLUMNS.get((table, names), f"{table}.{'_'.join(names)}")


class Upsert(NamedTuple):
    """What an upsert does to a row that exists under `key`: the columns `greatest`, `replace` and `add` change (see
    Transaction.upsert), the others stay."""

    key: tuple[str, ...]
    greatest: tuple[str, ...]
    replace: tuple[str, ...]
    add: tuple[str, ...]


class Dialect(Protocol):
    """What differs between the engines, as text. `types` {name: SQL} are for {name} in schema files; `now_ms` is an
    expression, the server's clock in ms, `bytes_of` one for the bytes of a text {}."""

    types: Mapping[str, str]
    now_ms: str
    bytes_of: str

    def statement(self, sql: str) -> str:
        """`sql` with this engine's placeholders."""

    def upsert_clause(self, upsert: Upsert) -> str:
        """The clause that makes an upsert of an INSERT before it."""

    def keys_in(self, columns: tuple[str, ...], count: int) -> str:
        """The condition that `columns` are one of `count` keys. Its parameters are the values of all keys in a row."""

    def last_rows(self, table: str, columns: str, key: str, order: str, count: int) -> str:
        """A query for the row with the highest `order` for each of `count` values of `key`, which are its parameters.

        (`key`, `order`) is the primary key. One seek for each value, however many rows have it.
        """


@lru_cache(maxsize=1024)
def marks(count: int) -> str:
    """`count` placeholders, separated by commas."""
    return ",".join(["%s"] * count)


class MysqlDialect:
    """The Dialect of MariaDB 10.6+ and MySQL 8+."""

    # Not UNIX_TIMESTAMP(NOW(3)), which goes through the session's time zone: in the last hour of summer time it is an
    # hour ahead, and then runs back.
    now_ms = "TIMESTAMPDIFF(MICROSECOND, '1970-01-01', UTC_TIMESTAMP(3)) DIV 1000"
    bytes_of = "LENGTH({})"

    types: Mapping[str, str] = {
        "id": "VARCHAR(64) CHARACTER SET ascii COLLATE ascii_bin",
        "conversation": "VARCHAR(140) CHARACTER SET ascii COLLATE ascii_bin",
        "key": "VARCHAR(128) CHARACTER SET ascii COLLATE ascii_bin",
        "word": "VARCHAR(32) CHARACTER SET ascii COLLATE ascii_bin",
        "name": "VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        "url": "VARCHAR(2048) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        "text": "MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin",
        "digest": "BINARY(16)",
        "int": "BIGINT",
        "flag": "TINYINT",
        "heap": "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
        "clustered": "ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
        "on": "ON",
    }

    def statement(self, sql: str) -> str:
        return sql

    def upsert_clause(self, upsert: Upsert) -> str:
        changes = [f"{name}=GREATEST({name},VALUES({name}))" for name in upsert.greatest]
        changes += [f"{name}=VALUES({name})" for name in upsert.replace]
        changes += [f"{name}={name}+VALUES({name})" for name in upsert.add]
        changes = changes or [f"{upsert.key[0]}={upsert.key[0]}"]  # there is no DO NOTHING
        return " ON DUPLICATE KEY UPDATE " + ",".join(changes)

    def keys_in(self, columns: tuple[str, ...], count: int) -> str:
        if len(columns) == 1:
            return f"{columns[0]} IN ({marks(count)})"
        if count == 1:
            # A DELETE or UPDATE by one row value scans the whole table, and waits for the locks of others' rows.
            return "(" + " AND ".join(f"{column}=%s" for column in columns) + ")"
        return f"({','.join(columns)}) IN ({','.join(['(' + marks(len(columns)) + ')'] * count)})"

    def last_rows(self, table: str, columns: str, key: str, order: str, count: int) -> str:
        # STRAIGHT_JOIN and LIMIT 1 leave the optimizer no choice. With MAX and GROUP BY it takes the loose index scan
        # only while its statistics are small; then it reads every message of these conversations, for seconds. MySQL 9
        # reads and sorts them all where the order names the second column of the key alone.
        wanted = " UNION ALL ".join([f"SELECT %s AS {key}"] * count)
        last = f"ORDER BY t.{key} DESC, t.{order} DESC LIMIT 1"
        newest = f"SELECT {order} FROM {table} t WHERE t.{key} = wanted.{key} {last}"
        named = ",".join(f"{table}.{column}" for column in columns.split(","))
        on = f"{table}.{key} = wanted.{key} AND {table}.{order} = ({newest})"
        return f"SELECT STRAIGHT_JOIN {named} FROM ({wanted}) wanted JOIN {table} ON {on}"


class SqliteDialect:
    """The Dialect of SQLite 3.35+. Tables with bodies are heaps; the others are clustered by their primary key, as all
    are in InnoDB."""

    now_ms = "CAST(ROUND((julianday('now') - 2440587.5) * 86400000) AS INTEGER)"
    bytes_of = "LENGTH(CAST({} AS BLOB))"  # of a text LENGTH counts the characters

    types: Mapping[str, str] = {
        **dict.fromkeys(("id", "conversation", "key", "word", "name", "url", "text"), "TEXT"),
        **dict.fromkeys(("int", "flag"), "INTEGER"),
        "digest": "BLOB",
        "heap": "",
        "clustered": "WITHOUT ROWID",
        "on": "--",  # in DROP INDEX: an index is named without its table
    }

    def statement(self, sql: str) -> str:
        return _question_marks(sql)

    def upsert_clause(self, upsert: Upsert) -> str:
        changes = [f"{name}=MAX({name},excluded.{name})" for name in upsert.greatest]
        changes += [f"{name}=excluded.{name}" for name in upsert.replace]
        changes += [f"{name}={name}+excluded.{name}" for name in upsert.add]
        action = f"UPDATE SET {','.join(changes)}" if changes else "NOTHING"
        return f" ON CONFLICT({','.join(upsert.key)}) DO {action}"

    def keys_in(self, columns: tuple[str, ...], count: int) -> str:
        if len(columns) == 1:
            return f"{columns[0]} IN ({marks(count)})"
        # a list of row values would scan the whole index; a chain of ORs seeks each key (at most 1,000 of them)
        one = " AND ".join(f"{column}=%s" for column in columns)
        return "(" + " OR ".join([f"({one})"] * count) + ")"

    def last_rows(self, table: str, columns: str, key: str, order: str, count: int) -> str:
        one = f"SELECT {columns} FROM {table} WHERE {key} = %s ORDER BY {order} DESC LIMIT 1"
        return " UNION ALL ".join([f"SELECT * FROM ({one})"] * count)


@lru_cache(maxsize=512)
def _question_marks(sql: str) -> str:
    return sql.replace("%s", "?")


def insert_head(table: str, columns: Sequence[str]) -> str:
    """`INSERT INTO table (columns) VALUES `."""
    return f"INSERT INTO {table} ({','.join(columns)}) VALUES "
