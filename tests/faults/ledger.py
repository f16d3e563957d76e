"""What the store holds of a test's people: their messages, and from where to where each may read."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple, Self

from protocol import ids
from store.database import Database
from tests.client import body_hash
from tests.faults.history import Member, Row

ENTERING, LEAVING = frozenset({"created", "joined"}), frozenset({"left", "removed"})
"""Events of a group's notices that make the named users members, and that end it."""


class Ledger:
    """The messages for which `where` holds, with its `values`; of those that people may read."""

    def __init__(self, database: Database, where: str, values: tuple[Any, ...]) -> None:
        self._database = database
        self._where = f"conversation <> '~' AND ({where})"
        self._values = values

    @classmethod
    def of_prefix(cls, database: Database, prefix: str) -> Self:
        """Of users and groups whose ids begin with `prefix`."""
        like = tuple(f"{kind}:{prefix}%" for kind in "pgs")
        return cls(database, " OR ".join(["conversation LIKE %s"] * len(like)), like)

    @classmethod
    def since(cls, database: Database, time_ms: int) -> Self:
        """Whatever was written from then on, in conversations that began then."""
        return cls(database, "time >= %s", (time_ms,))

    def __repr__(self) -> str:
        return f"Ledger({self._where}, {self._values})"

    def ends(self) -> dict[str, int]:
        """The newest seq of each conversation."""
        return {name: int(seq) for name, seq in self._rows("conversation, MAX(seq)", " GROUP BY conversation")}

    def rows(self) -> list[Row]:
        """Every message."""
        return [
            Row(conversation, int(seq), sender, cid, body_hash(json.loads(body)), type_ == "notice")
            for conversation, seq, sender, cid, type_, body in self._rows("conversation, seq, sender, cid, type, body")
        ]

    def members(self, ends: Iterable[str]) -> list[Member]:
        """Who may read what, of the conversations that `ends` names. Of a group its own notices tell."""
        return [*_outside_groups(ends), *self._of_groups()]

    def notices(self) -> list[Notice]:
        """What the system told single users."""
        rows = self._rows("conversation, body", " AND type = 'notice'")
        return [Notice(name.removeprefix("s:"), json.loads(body)) for name, body in rows if name.startswith("s:")]

    def _of_groups(self) -> Iterator[Member]:
        open_: dict[tuple[str, str], int] = {}
        for name, seq, body in self._rows("conversation, seq, body", " AND type = 'notice' ORDER BY conversation, seq"):
            told = json.loads(body)
            for user in told.get("users", ()):
                if told["event"] in ENTERING:
                    open_[user, name] = int(seq)
                elif told["event"] in LEAVING:
                    yield Member(user, name, open_.pop((user, name)), int(seq))
        yield from (Member(user, name, seq) for (user, name), seq in open_.items())

    def _rows(self, columns: str, more: str = "") -> list[tuple[Any, ...]]:
        with self._database.reading() as tx:
            return tx.rows(f"SELECT {columns} FROM messages WHERE {self._where}{more}", self._values)


class Notice(NamedTuple):
    """One row of `s:{user}`."""

    user: str
    body: dict[str, Any]


def _outside_groups(names: Iterable[str]) -> Iterator[Member]:
    for name in names:
        parsed = ids.parse_conversation(name)
        if parsed is not None and parsed.kind != "g":
            yield from (Member(user, name) for user in parsed.users)
