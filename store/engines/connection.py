"""A DB-API connection (PEP 249) that connects when its first transaction begins, and again when it was lost.

DBUtils opens and checks connections under the lock of its pool: a database that accepts and never answers would hold
that lock, and with it every thread. So the pool holds these instead, which are made and reset without I/O.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from store.engines.engine import Engine
from store.errors import StoreAway

# A connection that was closed while it lay in the pool says so at once; one that takes longer has a server that hangs.
_AT_ONCE_S = 1.0


class Connection:
    """What DBUtils holds: the five methods of DB-API that it calls, over a raw connection that may not exist yet.

    One thread at a time uses it. `lost` is called whenever a raw connection is given up.
    """

    def __init__(self, engine: Engine, lost: Callable[[], None]) -> None:
        self._engine = engine
        self._lost = lost
        self._raw: Any = None

    def __repr__(self) -> str:
        return f"<Connection {self._engine!r} {'open' if self._raw is not None else 'closed'}>"

    def begin(self, write: bool) -> None:
        """Begin a transaction, on a new raw connection where the old one died while it lay in the pool: that is safe,
        since nothing was done on it yet. A server that does not answer is not asked twice: it would take as long again.

        Raises StoreAway, Contention (SQLite: another writer for over 5 s).
        """
        if self._raw is not None:
            started = time.monotonic()
            try:
                self._engine.begin(self._raw, write)
                return
            except self._engine.errors as error:
                mapped = self._engine.error(error, "BEGIN")
                if not isinstance(mapped, StoreAway):
                    raise mapped from error
                self.discard()
                if time.monotonic() - started > _AT_ONCE_S:
                    raise mapped from error
        self._open()
        try:
            self._engine.begin(self._raw, write)
        except self._engine.errors as error:
            raise self._engine.error(error, "BEGIN") from error

    def cursor(self) -> Any:
        """A cursor of the transaction that was begun."""
        return self._raw.cursor()

    def commit(self) -> None:
        """COMMIT. Raises the driver's errors."""
        self._raw.commit()
        self._engine.end(self._raw)

    def rollback(self) -> None:
        """ROLLBACK. Raises nothing: where it fails the connection is closed, and the server rolls back at its end."""
        if self._raw is None:
            return
        try:
            self._raw.rollback()
        except self._engine.errors:
            self.discard()
        else:
            self._engine.end(self._raw)

    def discard(self) -> None:
        """Close a raw connection that is not to be trusted any more, and count its loss."""
        if self._raw is not None:
            self.close()
            self._lost()

    def close(self) -> None:
        """Close the raw connection, if there is one. Raises nothing."""
        raw, self._raw = self._raw, None
        if raw is not None:
            with suppress(Exception):  # a lost connection complains about being closed
                raw.close()
            self._engine.end(raw)

    def _open(self) -> None:
        try:
            self._raw = self._engine.open()
        except self._engine.errors as error:
            raise StoreAway(f"cannot connect: {type(error).__name__}: {error}") from error
