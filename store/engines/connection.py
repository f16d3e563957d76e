"""A DB-API connection that connects when its first transaction begins, and anew when it was lost.

DBUtils opens and checks connections under the lock of its pool: a database that accepts and never answers would hold
that lock, and with it every thread. So the pool holds these instead, whose making, resetting and closing do no I/O.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from store.engines.engine import Engine
from store.errors import StoreAway

_AT_ONCE_S = 1.0


class Connection:
    """What DBUtils holds: the five methods of DB-API that it calls, over a raw connection that may not exist yet."""

    def __init__(self, engine: Engine, lost: Callable[[], None]) -> None:
        self._engine = engine
        self._lost = lost
        self._raw: Any = None

    def __repr__(self) -> str:
        return f"<Connection {self._engine!r} {'open' if self._raw is not None else 'closed'}>"

    def begin(self, write: bool) -> None:
        """Begin. A connection that died while it lay in the pool is replaced here, once: nothing was done on it yet.

        One that does not answer is given up: a new one would only take as long again.
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
        return self._raw.cursor()

    def commit(self) -> None:
        self._raw.commit()
        self._engine.end(self._raw)

    def rollback(self) -> None:
        """Undo. Whatever goes wrong here, the server undoes it when the connection ends: so end it."""
        if self._raw is None:
            return
        try:
            self._raw.rollback()
        except self._engine.errors:
            self.discard()
        else:
            self._engine.end(self._raw)

    def discard(self) -> None:
        """Close a connection that is not to be trusted any more."""
        if self._raw is not None:
            self.close()
            self._lost()

    def close(self) -> None:
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
