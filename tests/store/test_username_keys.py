"""Accounts from before user names had keys: none is lost, and none can be taken over by a name that looks like it."""

from __future__ import annotations

from pathlib import Path

import pytest
from structlog.testing import capture_logs

from store.database import Database
from store.errors import Duplicate
from store.migrate import SCHEMA, migrate
from store.tables import users
from tests.store.engines import blank
from tests.store.rows import NOW_MS, user

__all__ = ["blank"]


def old_schema(tmp_path: Path) -> Path:
    for path in SCHEMA.iterdir():
        if path.name < "005":
            (tmp_path / path.name).write_text(path.read_text())
    return tmp_path


def test_accounts_of_before_get_their_keys_and_all_still_log_in(blank: Database, tmp_path: Path) -> None:
    migrate(blank, old_schema(tmp_path))
    before = {
        "u1": "Bob",
        "u2": "bob",
        "u3": "\uff22\uff4f\uff42",
        "u4": "caf\u00e9",
        "u5": "zo\u200be",
        "u6": "\u200b",
    }
    with blank.transaction() as tx:
        for number, (ident, username) in enumerate([*before.items(), ("p1", None)]):
            columns = ("id", "username", "name", "disabled", "created")
            tx.insert("users", columns, [(ident, username, "x", 0, NOW_MS + number)])
    with capture_logs() as logs:
        migrate(blank)
    taken = [(entry["user"], entry["username"]) for entry in logs if entry["event"] == "username_key_taken"]
    assert sorted(taken) == [(ident, before[ident]) for ident in ("u2", "u3", "u6")]
    with blank.reading() as tx:
        found = {name: users.by_username(tx, name) for name in (*before.values(), "BOB", "CAFE\u0301", "zoe", "p1")}
    ids = {name: row.id if row else None for name, row in found.items()}
    assert ids == {**{name: i for i, name in before.items()}, "BOB": "u1", "CAFE\u0301": "u4", "zoe": "u5", "p1": None}
    for name in ("BOB", "Zoe", "cafe\u0301"):
        with pytest.raises(Duplicate), blank.transaction() as tx:
            users.insert(tx, user("new", name), NOW_MS)


def test_of_very_many_the_oldest_has_the_key_wherever_it_stands(blank: Database, tmp_path: Path) -> None:
    """Also where it comes in a later step than a younger one."""
    migrate(blank, old_schema(tmp_path))
    columns = ("id", "username", "name", "disabled", "created")
    many = [(f"m{n:04}", f"many{n}", "x", 0, NOW_MS) for n in range(1500)]
    with blank.transaction() as tx:
        tx.insert("users", columns, [("a", "ANN", "x", 0, NOW_MS + 9), *many, ("z", "ann", "x", 0, NOW_MS)])
    migrate(blank)
    with blank.reading() as tx:
        found = {name: users.by_username(tx, name) for name in ("Ann", "ANN", "ann", "MANY1499")}
    assert {name: row.id if row else "" for name, row in found.items()} == {
        "Ann": "z",
        "ANN": "a",
        "ann": "z",
        "MANY1499": "m1499",
    }
