"""One transaction as its user sees it: statements in, rows out, and our errors.

Law: after `StoreAway` or `Contention` the transaction is dead: whoever swallows the error and goes on gets it again,
at the next statement and at the end, where it is rolled back. (A deadlock has undone *everything* before it; going on
would commit the second half alone.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from store.engines.dialect import Upsert, insert_head
from store.engines.engine import Engine, Row, WhileWaiting
from store.errors import Contention, StoreAway, StoreError

_KEYS_A_STATEMENT = 400


class Transaction:
    """Made by Database; ends with its `with` block. `connection_serial`: see Database."""

    __slots__ = ("_cursor", "_engine", "_failed", "_statements", "_while_waiting", "connection_serial")

    def __init__(
        self, engine: Engine, cursor: Any, connection_serial: int, while_waiting: WhileWaiting | None = None
    ) -> None:
        self._engine = engine
        self._while_waiting = while_waiting
        self._cursor = cursor
        self._failed: StoreError | None = None
        self._statements = 0
        self.connection_serial = connection_serial

    def __repr__(self) -> str:
        state = "open" if self._failed is None else type(self._failed).__name__
        return f"<Transaction on connection {self.connection_serial} {state} statements={self._statements}>"

    def execute(self, sql: str, params: Sequence[Any] = ()) -> int:
        """Run one statement; the number of rows found and written."""
        self.raise_if_failed()
        self._statements += 1
        try:
            self._cursor.execute(self._engine.dialect.statement(sql), params or ())
            return int(self._cursor.rowcount)
        except self._engine.errors as error:
            raise self._noted(error, sql) from error

    def rows(self, sql: str, params: Sequence[Any] = ()) -> list[tuple[Any, ...]]:
        """All rows of a SELECT."""
        self.execute(sql, params)
        return self._fetched(sql)

    def row(self, sql: str, params: Sequence[Any] = ()) -> tuple[Any, ...] | None:
        """The first row of a SELECT, or None."""
        rows = self.rows(sql, params)
        return rows[0] if rows else None

    def rows_in(
        self,
        sql: str,
        columns: tuple[str, ...],
        keys: Iterable[Sequence[Any]],
        params: Sequence[Any] = (),
        end: str = "",
    ) -> list[tuple[Any, ...]]:
        """The rows of `sql` AND (`columns`) IN `keys`, in no order; `sql` ends in WHERE or AND, `params` are its own.

        Any number of keys, none included. `end` is what follows the condition, such as GROUP BY.
        """
        found: list[tuple[Any, ...]] = []
        for condition, values in self._conditions(columns, keys):
            found += self.rows(f"{sql} {condition} {end}", [*params, *values])
        return found

    def last_rows(self, table: str, columns: str, key: str, order: str, values: Iterable[Any]) -> list[tuple[Any, ...]]:
        """The row with the highest `order` for each of `values` of `key`; (`key`, `order`) is the primary key."""
        unique = sorted(set(values))
        found: list[tuple[Any, ...]] = []
        for start in range(0, len(unique), _KEYS_A_STATEMENT):
            some = unique[start : start + _KEYS_A_STATEMENT]
            found += self.rows(self._engine.dialect.last_rows(table, columns, key, order, len(some)), some)
        return found

    def execute_in(
        self, sql: str, columns: tuple[str, ...], keys: Iterable[Sequence[Any]], params: Sequence[Any] = ()
    ) -> int:
        """Run an UPDATE or DELETE `sql` for the rows of `keys`, as rows_in does; the number of rows."""
        conditions = self._conditions(columns, keys)
        return sum(self.execute(f"{sql} {condition}", [*params, *values]) for condition, values in conditions)

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> int:
        """Insert `rows` by as few statements as possible; none is fine. The order of rows is the order of locks."""
        return self._insert(insert_head(table, columns), rows, "")

    def upsert(
        self,
        table: str,
        columns: Sequence[str],
        rows: Sequence[Row],
        key: tuple[str, ...],
        greatest: tuple[str, ...] = (),
        replace: tuple[str, ...] = (),
        add: tuple[str, ...] = (),
    ) -> None:
        """Insert `rows`; of one that exists under `key` raise, replace or add to the columns named, keep the others."""
        clause = self._engine.dialect.upsert_clause(Upsert(key, greatest, replace, add))
        self._insert(insert_head(table, columns), rows, clause)

    @property
    def clock(self) -> str:
        """SQL for the clock of the store in ms, which all processes have in common."""
        return self._engine.dialect.now_ms

    def now_ms(self) -> int:
        """The clock of the store."""
        row = self.row(f"SELECT {self.clock}")
        return int(row[0]) if row else 0

    def typed(self, ddl: str) -> str:
        """A statement of a schema file with the engine's types in place of {names}."""
        return ddl.format_map(self._engine.dialect.types)

    def raise_if_failed(self) -> None:
        """Raise again what ended this transaction."""
        if self._failed is not None:
            raise self._failed

    def _conditions(self, columns: tuple[str, ...], keys: Iterable[Sequence[Any]]) -> Iterator[tuple[str, list[Any]]]:
        """Conditions with their values that together match all of `keys`."""
        unique = list(dict.fromkeys(tuple(key) for key in keys))
        for start in range(0, len(unique), _KEYS_A_STATEMENT):
            some = unique[start : start + _KEYS_A_STATEMENT]
            yield self._engine.dialect.keys_in(columns, len(some)), [item for key in some for item in key]

    def _insert(self, head: str, rows: Sequence[Row], tail: str) -> int:
        self.raise_if_failed()
        if not rows:
            return 0
        self._statements += 1
        try:
            return self._engine.insert(self._cursor, head, rows, tail, self._while_waiting)
        except self._engine.errors as error:
            raise self._noted(error, head) from error

    def _fetched(self, sql: str) -> list[tuple[Any, ...]]:
        try:  # SQLite runs a SELECT while its rows are fetched
            return list(self._cursor.fetchall())
        except self._engine.errors as error:
            raise self._noted(error, sql) from error

    def _noted(self, error: Exception, sql: str) -> StoreError:
        mapped = self._engine.error(error, sql)
        if isinstance(mapped, StoreAway | Contention):
            self._failed = mapped
        return mapped
