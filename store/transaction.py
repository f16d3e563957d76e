"""One transaction as its user sees it: statements in, rows out, and errors of store/errors.py.

Law: after `StoreAway` or `Contention` the transaction is dead. A caller that swallows the error and goes on gets it
again at the next statement, and at the end, where everything is rolled back. (A deadlock has undone *everything* before
it; going on would commit the second half alone.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from store.engines.dialect import Upsert, insert_head
from store.engines.engine import Engine, Row, WhileWaiting
from store.errors import Contention, StoreAway, StoreError

_KEYS_A_STATEMENT = 400


class Transaction:
    """Made by Database, for one thread; ends with its `with` block. `connection_serial`: see Database.

    SQL is that of MariaDB with %s for each parameter (store/engines/dialect.py). Each method that runs a statement may
    raise StoreAway, Contention or StoreError; a method that writes also Duplicate or BadValue.
    """

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
        """Run one statement; returns how many rows an UPDATE or DELETE matched, changed or not."""
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
        """The rows of `sql` whose `columns` are one of `keys`, in no order: a query for each 400 keys, none for no key.

        `sql` ends in WHERE or AND, `params` are its own; `end` follows the condition, such as GROUP BY.
        """
        found: list[tuple[Any, ...]] = []
        for condition, values in self._conditions(columns, keys):
            found += self.rows(f"{sql} {condition} {end}", [*params, *values])
        return found

    def last_rows(self, table: str, columns: str, key: str, order: str, values: Iterable[Any]) -> list[tuple[Any, ...]]:
        """For each of `values` of the column `key`, the row with the highest `order`; none where there is no row.
        (`key`, `order`) is the primary key; `columns` are separated by commas. One seek for each value."""
        unique = sorted(set(values))
        found: list[tuple[Any, ...]] = []
        for start in range(0, len(unique), _KEYS_A_STATEMENT):
            some = unique[start : start + _KEYS_A_STATEMENT]
            found += self.rows(self._engine.dialect.last_rows(table, columns, key, order, len(some)), some)
        return found

    def execute_in(
        self, sql: str, columns: tuple[str, ...], keys: Iterable[Sequence[Any]], params: Sequence[Any] = ()
    ) -> int:
        """Run an UPDATE or DELETE for the rows whose `columns` are one of `keys`, as `rows_in` does; returns how many
        rows there were."""
        conditions = self._conditions(columns, keys)
        return sum(self.execute(f"{sql} {condition}", [*params, *values]) for condition, values in conditions)

    def execute_each(self, sql: str, keys: Iterable[Sequence[Any]]) -> int:
        """Run an UPDATE or DELETE `sql` once for each of `keys`, which are its parameters; the number of rows. For
        tables that may be small: there the optimizer prefers a scan to many keys, and it waits for others' locks."""
        return sum(self.execute(sql, key) for key in keys)

    def insert(self, table: str, columns: Sequence[str], rows: Sequence[Row]) -> int:
        """Insert `rows` by as few statements as possible (none for none); returns how many. Rows are locked in this
        order: give them sorted by key. Raises Duplicate, BadValue."""
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
        """Insert `rows`. A row that exists under `key` keeps its columns, except that those of `greatest` become the
        greater value, those of `replace` the new one, those of `add` the sum. Raises BadValue."""
        clause = self._engine.dialect.upsert_clause(Upsert(key, greatest, replace, add))
        self._insert(insert_head(table, columns), rows, clause)

    @property
    def clock(self) -> str:
        """An SQL expression: the clock of the store in ms, the same for all processes."""
        return self._engine.dialect.now_ms

    def bytes_of(self, text: str) -> str:
        """An SQL expression: how many bytes the SQL expression `text` has in UTF-8."""
        return self._engine.dialect.bytes_of.format(text)

    def now_ms(self) -> int:
        """The clock of the store in ms, the same for all processes; one statement."""
        row = self.row(f"SELECT {self.clock}")
        return int(row[0]) if row else 0

    def typed(self, ddl: str) -> str:
        """`ddl`, a statement of a schema file, with the engine's types in place of {id}, {text} and so on."""
        return ddl.format_map(self._engine.dialect.types)

    def raise_if_failed(self) -> None:
        """Raise again the StoreAway or Contention that ended this transaction; return if none did."""
        if self._failed is not None:
            raise self._failed

    def _conditions(self, columns: tuple[str, ...], keys: Iterable[Sequence[Any]]) -> Iterator[tuple[str, list[Any]]]:
        """(condition, values) that together match all of `keys`, each for at most 400 of them."""
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
