"""Wrong guesses at passwords: how many, counted under a name, and the places from which somebody logged in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from store.transaction import Transaction


class GuessRow(NamedTuple):
    """`level` (in thousandths of a guess) was right at `time`. `known`: somebody logged in from this place. The row is
    of no use after `ends`. Both times in ms, by the clock of the store."""

    name: str
    level: int = 0
    known: bool = False
    time: int = 0
    ends: int = 0


_KEY = ("name",)
_SELECT = f"SELECT {','.join(GuessRow._fields)} FROM guesses WHERE"


def get(tx: Transaction, names: Iterable[str]) -> dict[str, GuessRow]:
    """{name: row} for all of `names`; a row of zeros for one that has none."""
    wanted = list(names)
    found = [GuessRow(*row) for row in tx.rows_in(_SELECT, _KEY, [(name,) for name in wanted])]
    known = {row.name: row._replace(known=bool(row.known)) for row in found}
    return {name: known.get(name, GuessRow(name)) for name in wanted}


def hold(tx: Transaction, names: Iterable[str]) -> dict[str, GuessRow]:
    """The same, with all rows locked until this transaction ends: others who hold one of them wait."""
    wanted = sorted(set(names))
    tx.upsert("guesses", GuessRow._fields, [_written(GuessRow(name)) for name in wanted], key=_KEY)
    return get(tx, wanted)


def put(tx: Transaction, rows: Iterable[GuessRow]) -> None:
    """Write rows, in place of those of their names."""
    written = [_written(row) for row in sorted(rows)]
    tx.upsert("guesses", GuessRow._fields, written, key=_KEY, replace=GuessRow._fields[1:])


def remember(tx: Transaction, rows: Iterable[GuessRow]) -> None:
    """Write that these places are known, until `ends` at least; the levels of rows that exist stay."""
    tx.upsert(
        "guesses", GuessRow._fields, [_written(row) for row in sorted(rows)], key=_KEY, greatest=("known", "ends")
    )


def lower(tx: Transaction, names: Iterable[str], by: int) -> None:
    """Take `by` off the levels of `names`, where so much is left."""
    sql = "UPDATE guesses SET level = level - %s WHERE name = %s AND level >= %s"
    tx.execute_each(sql, [(by, name, by) for name in sorted(set(names))])


def _written(row: GuessRow) -> tuple[object, ...]:
    return (row.name, row.level, int(row.known), row.time, row.ends)
