from __future__ import annotations

import pytest

from store.database import Database
from tests.logic.road import Road
from tests.store.engines import database, filled_once

__all__ = ["database", "filled_once"]


@pytest.fixture
def road(database: Database) -> Road:
    """Commands straight to their handlers, over an empty store, on SQLite and on MariaDB."""
    return Road(database)
