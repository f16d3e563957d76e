"""What an engine does for the pool: open, begin, insert, and say in our errors what went wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

from store.engines.dialect import Dialect
from store.errors import StoreError

Row = Sequence[Any]
WhileWaiting = Callable[[], None]


class Engine(Protocol):
    """One kind of database at one address. `errors` are the driver's; `wait_s` bounds the wait for a connection."""

    dialect: Dialect
    errors: tuple[type[Exception], ...]
    wait_s: float

    def open(self) -> Any:
        """A new raw DB-API connection, its session set up. Raises the driver's errors."""

    def begin(self, raw: Any, write: bool) -> None:
        """Begin a transaction on `raw`."""

    def end(self, raw: Any) -> None:
        """A transaction of `raw` has ended, or `raw` was closed: let go of what `begin` took in this process."""

    def insert(
        self, cursor: Any, head: str, rows: Sequence[Row], tail: str, while_waiting: WhileWaiting | None = None
    ) -> int:
        """`head`, the rows, `tail` (an upsert clause or ""): in as few statements as the engine takes. Where it waits
        for a server, `while_waiting` is called first."""

    def lock(self, cursor: Any, name: str) -> bool:
        """Wait a moment for the store-wide lock `name` of this connection; True when it is held."""

    def unlock(self, cursor: Any, name: str) -> None:
        """Give the lock `name` back."""

    def error(self, error: Exception, sql: str) -> StoreError:
        """The driver's `error` at statement `sql` in our terms."""
