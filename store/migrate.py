"""Brings the schema up to date: each `store/schema/NNN_name.sql` in order, once, however many processes try at once.

Law: every statement may be repeated. MariaDB commits at each DDL statement, so a process killed in the middle leaves
a file half applied and not recorded; the next run applies it from its first statement again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import structlog

from store.database import Database
from store.errors import AlreadyDone
from store.transaction import Transaction
from store.username_keys import key_usernames

SCHEMA = Path(__file__).with_name("schema")
_NAME = re.compile(r"(\d{3})_\w+\.sql\Z")
log = structlog.get_logger()


def migrate(database: Database, schema: Path = SCHEMA) -> list[int]:
    """Apply the files that were not applied yet; returns their versions. Blocks while another process does the same, up
    to 60 s. Raises StoreAway after that, or StoreError where a statement fails."""
    with database.exclusive("schema") as tx:
        _create_version_table(tx)
        applied = {version for (version,) in tx.rows("SELECT version FROM schema_version")}
    missing = [(version, path) for version, path in _files(schema) if version not in applied]
    return [version for version, path in missing if _apply(database, version, path)]


def newest(schema: Path = SCHEMA) -> int:
    """The version up to which this program knows the schema."""
    return max(version for version, _ in _files(schema))


def version(tx: Transaction) -> int:
    """The version of the schema that this store has."""
    row = tx.row("SELECT MAX(version) FROM schema_version")
    return int(row[0]) if row and row[0] is not None else 0


def _files(schema: Path) -> list[tuple[int, Path]]:
    named = [(_NAME.match(path.name), path) for path in sorted(schema.iterdir())]
    return [(int(found.group(1)), path) for found, path in named if found]


def _create_version_table(tx: Transaction) -> None:
    tx.execute(tx.typed("CREATE TABLE IF NOT EXISTS schema_version (version {int} NOT NULL PRIMARY KEY) {clustered}"))


def _apply(database: Database, version: int, path: Path) -> bool:
    with database.exclusive("schema") as tx:
        if tx.row("SELECT version FROM schema_version WHERE version = %s", (version,)):
            return False  # another process was first
        for statement in statements(path.read_text()):
            try:
                tx.execute(tx.typed(statement))
            except AlreadyDone:
                log.info("schema_statement_repeated", file=path.name)
        if path.name in _IN_PYTHON:
            _IN_PYTHON[path.name](tx)
        tx.execute("INSERT INTO schema_version (version) VALUES (%s)", (version,))
    log.info("schema_applied", file=path.name)
    return True


_IN_PYTHON: dict[str, Callable[[Transaction], None]] = {"007_names_and_guesses.sql": key_usernames}
"""What SQL cannot do, by file: done after its statements. Like them it may be repeated."""


def statements(text: str) -> list[str]:
    """The statements of an SQL file, without comment lines and semicolons."""
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("--")]
    parts = re.split(r";\s*$", "\n".join(lines), flags=re.MULTILINE)
    return [part.strip() for part in parts if part.strip()]
