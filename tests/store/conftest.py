from __future__ import annotations

from tests.store.engines import blank, database, filled_once

__all__ = ["blank", "database", "filled_once"]
