"""How many rows the server touches for what every batch or login asks, in tables that have grown and whose statistics
MariaDB knows. A plan that reads whole conversations is fast in a small test, and stands still for seconds in a large
store.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from store import meta
from store.database import Database
from store.tables import conversations, cursors, groups, guesses, mentions, messages, purges, users
from store.tables.cursors import Active
from store.tables.guesses import GuessRow
from store.transaction import Transaction
from tests.private_servers import PrivateServers
from tests.store.engines import open_server
from tests.store.rows import NOW_MS, member, timeline, user

LONG = [f"p:a{number:03}:b" for number in range(30)]
SHORT = [f"p:c{number:04}:d" for number in range(3000)]
LENGTH = 1500
GROUPS = [f"team{number}" for number in range(40)]
MEMBERS = [f"u{number:03}" for number in range(300)]
ROWS_A_KEY = 6


@pytest.fixture(scope="module")
def grown(servers: PrivateServers) -> Iterator[Database]:
    database = open_server(servers.fresh_database())
    meta.initialise(database, 8)
    with database.transaction() as tx:
        for conversation in LONG:
            messages.insert(tx, timeline(conversation, LENGTH))
        messages.insert(tx, [row for conversation in SHORT for row in timeline(conversation, 1)])
        cursors.read_up_to(tx, [("b", conversation, 7) for conversation in LONG])
        cursors.read_up_to(tx, [("d", conversation, 1) for conversation in SHORT])
        for group in GROUPS:
            groups.put_members(tx, [member(group, name) for name in MEMBERS])
        groups.put_members(tx, [member(f"left{number}", "gone", 1, 2) for number in range(2000)])
        cursors.mark(tx, [("d", conversation, 0, NOW_MS) for conversation in SHORT])
        mentions.insert(tx, [(name, c, seq) for name in ("u007", "all") for c in LONG for seq in range(1, 300)])
        users.insert_missing(tx, [user(f"id{n}", f"User{n}") for n in range(3000)], NOW_MS)
        guesses.put(tx, [GuessRow(f"place:{n}", 1000) for n in range(3000)])
    with database.transaction() as tx:
        tx.rows("ANALYZE TABLE messages, cursors, members, mentions, users, guesses")
    yield database
    database.close()


def touched(tx: Transaction, ask: Callable[[], Any]) -> int:
    """The rows and index entries that the server read for `ask`."""

    def reads() -> int:
        return sum(int(value) for _, value in tx.rows("SHOW SESSION STATUS LIKE 'Handler_read%%'"))

    before = reads()
    of_asking = reads() - before
    before = reads()
    ask()
    return reads() - before - of_asking


KEYS = [*LONG, *SHORT[::10]]
CASES: dict[str, tuple[Callable[[Transaction], Any], int]] = {
    "tails of long conversations": (lambda tx: messages.tails(tx, LONG), len(LONG)),
    "tails of many": (lambda tx: messages.tails(tx, KEYS), len(KEYS)),
    "messages by cid": (lambda tx: messages.by_cids(tx, [("ann", f"{c}-1") for c in KEYS]), len(KEYS)),
    "messages by seq": (lambda tx: messages.get(tx, [(c, 900) for c in LONG]), len(LONG)),
    "running counts": (lambda tx: messages.counted_at(tx, [(c, 900) for c in LONG]), len(LONG)),
    "messages by size": (lambda tx: list(messages.lean(tx, [(c, s) for c in LONG for s in range(900, 903)])), 90),
    "a page of messages": (lambda tx: list(messages.lean(tx, [(LONG[0], seq) for seq in range(1500, 1450, -1)])), 50),
    "the first of very many": (lambda tx: next(messages.lean(tx, [(LONG[0], seq) for seq in range(1, 1500)])), 32),
    "what was active": (lambda tx: cursors.active(tx, "d", 1, None, 50), 50),
    "what was active before": (lambda tx: cursors.active(tx, "d", 1, Active(NOW_MS, SHORT[1500]), 50), 50),
    "what was active since": (lambda tx: cursors.active(tx, "d", NOW_MS + 1, None, 50), 1),
    "mentions": (lambda tx: mentions.mentioned(tx, "u007", dict.fromkeys(LONG, 7)), 2 * len(LONG)),
    "cursors": (lambda tx: cursors.get(tx, [("b", c) for c in LONG]), len(LONG)),
    "single members": (lambda tx: groups.members(tx, [(g, "u007") for g in GROUPS]), len(GROUPS)),
    "groups of a user": (lambda tx: groups.groups_of(tx, ["u007"]), len(GROUPS)),
    "views of a user": (lambda tx: conversations.views(tx, "b", LONG), len(LONG)),
    "groups left": (lambda tx: groups.groups_page(tx, "gone", "", 200), 1),
    "an account by its name": (lambda tx: users.by_username(tx, "USER1500"), 1),
    "an account that is not there": (lambda tx: users.by_username(tx, "nobody"), 1),
    "a piece of members": (lambda tx: purges.left_groups(tx, (GROUPS[20], MEMBERS[150]), 100, 0), 100),
    "a piece of answers": (lambda tx: purges.answers(tx, purges.START, 100, 1), 1),
    "wrong guesses": (lambda tx: guesses.get(tx, [f"place:{n}" for n in range(0, 3000, 1000)]), 3),
}


@pytest.mark.parametrize("name", CASES)
def test_rows_touched_follow_what_is_asked(grown: Database, name: str) -> None:
    ask, keys = CASES[name]
    with grown.reading() as tx:
        assert touched(tx, lambda: ask(tx)) <= ROWS_A_KEY * keys + 50
