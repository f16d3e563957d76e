"""What an engine does for the pool: open, begin, insert, and tell what went wrong in the errors of store/errors.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from store.engines.dialect import Dialect
from store.errors import StoreError

Row = Sequence[Any]
WhileWaiting = Callable[[], None]
"""Something to do while the server works. It must not raise."""


class Engine(Protocol):
    """One kind of database at one address; any number of threads may use it.

    `errors` are what its driver raises; `wait_s` bounds the wait for a free connection of the pool. A `raw` is a DB-API
    connection of the driver, a `cursor` one of it. Methods raise the driver's errors, unless they say otherwise.
    """

    dialect: Dialect
    errors: tuple[type[Exception], ...]
    wait_s: float

    def open(self) -> Any:
        """A new raw connection with its session set up. Blocks."""

    def begin(self, raw: Any, write: bool) -> None:
        """Begin a transaction on `raw`; without `write` it only reads. May raise Contention itself."""

    def end(self, raw: Any) -> None:
        """A transaction of `raw` has ended, or `raw` was closed: release the lock that `begin` took in this process, if
        it took one. Raises nothing; calling it twice does no harm."""

    def insert(
        self, cursor: Any, head: str, rows: Sequence[Row], tail: str, while_waiting: WhileWaiting | None = None
    ) -> int:
        """Insert `rows` (at least one) by as few statements as the engine takes, each `head`, rows, `tail` (an upsert
        clause or ""); returns how many rows the driver counts. `while_waiting` is called once for each statement, while
        the server carries it out; where there is no server, before it."""

    def lock(self, cursor: Any, name: str) -> bool:
        """Wait up to 1 s for the lock `name`, which one connection of the whole store holds at a time; whether this one
        has it now."""

    def unlock(self, cursor: Any, name: str) -> None:
        """Release the lock `name`."""

    def error(self, error: Exception, sql: str) -> StoreError:
        """The error of store/errors.py for the driver's `error` at statement `sql`. Pure; the caller raises it."""
