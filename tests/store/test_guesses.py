"""Counts of wrong guesses: together whoever counts, on both engines."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from store.database import Database
from store.tables import guesses
from store.tables.guesses import GuessRow
from tests.store.engines import database, filled_once

__all__ = ["database", "filled_once"]


def level(database: Database, name: str) -> int:
    with database.reading() as tx:
        return guesses.get(tx, [name])[name].level


def test_what_is_held_is_counted_one_after_the_other(database: Database) -> None:
    """Also where no row is there yet."""

    def count(number: int) -> None:
        with database.transaction() as tx:
            rows = guesses.hold(tx, ["account:a", f"place:{number % 3}"])
            guesses.put(tx, [row._replace(level=row.level + 1) for row in rows.values()])

    with ThreadPoolExecutor(4) as pool:
        assert len(list(pool.map(count, range(12)))) == 12
    assert [level(database, name) for name in ("account:a", "place:0", "place:1", "place:2", "x")] == [12, 4, 4, 4, 0]


def test_a_place_that_is_known_keeps_its_level_until_it_is_lowered(database: Database) -> None:
    with database.transaction() as tx:
        guesses.put(tx, [GuessRow("place:a", 3000, False, 50, 100)])
        guesses.remember(tx, [GuessRow("place:a", 0, True, 0, 200), GuessRow("place:b", 0, True, 0, 10)])
        guesses.remember(tx, [GuessRow("place:b", 0, True, 0, 5)])
        guesses.lower(tx, ["place:a", "place:b", "place:c"], 1000)
        assert guesses.get(tx, ["place:a", "place:b", "place:c"]) == {
            "place:a": GuessRow("place:a", 2000, True, 50, 200),
            "place:b": GuessRow("place:b", 0, True, 0, 10),
            "place:c": GuessRow("place:c"),
        }
