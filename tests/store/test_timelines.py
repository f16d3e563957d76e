"""Messages, cursors and mentions, on both engines."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor

from store.database import Database
from store.tables import cursors, mentions, messages
from store.tables.messages import Tail
from tests.store.rows import NOW_MS, message, timeline


def seqs(rows: list[messages.MessageRow]) -> list[int]:
    return [row.seq for row in rows]


def test_pages_of_history(database: Database) -> None:
    rows = timeline("g:one", 10)
    with database.transaction() as tx:
        messages.insert(tx, rows + timeline("g:two", 3))
        assert messages.after(tx, "g:one", 0, 100) == rows
        assert seqs(messages.after(tx, "g:one", 3, 2)) == [4, 5]
        assert messages.after(tx, "g:one", 10, 5) == []


def test_tails_of_long_short_and_missing_conversations(database: Database) -> None:
    with database.transaction() as tx:
        messages.insert(tx, [*timeline("g:long", 700), message("p:a:b", 1, counted=0)])
        found = messages.tails(tx, ["g:long", "p:a:b", "p:none:x", "g:long"])
        assert found == {"g:long": Tail(700, NOW_MS + 700, 700), "p:a:b": Tail(1, NOW_MS + 1, 0)}
        assert messages.tails(tx, []) == {}
        many = [f"p:a:{number:04}" for number in range(900)]
        messages.insert(tx, [message(conversation, 1) for conversation in many])
        assert set(messages.tails(tx, many)) == set(many)


def test_messages_are_found_by_cid_and_by_seq(database: Database) -> None:
    rows = timeline("g:one", 3)
    with database.transaction() as tx:
        messages.insert(tx, rows)
        pairs = [("ann", "g:one-2"), ("bob", "g:one-2"), ("ann", "nothing")]
        assert messages.by_cids(tx, pairs) == {("ann", "g:one-2"): rows[1]}
        assert messages.get(tx, [("g:one", 3), ("g:one", 4)]) == {("g:one", 3): rows[2]}
        assert messages.counted_at(tx, [("g:one", 0), ("g:one", 2)]) == {("g:one", 2): 2}


def test_a_cursor_never_goes_back(database: Database) -> None:
    writes = [("ann", "g:one", seq) for seq in range(1, 60)]
    random.Random(1).shuffle(writes)

    def write(row: tuple[str, str, int]) -> None:
        with database.transaction() as tx:
            cursors.read_up_to(tx, [row])
            cursors.delivered_up_to(tx, [(row[0], row[1], row[2] + 100)])

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(write, writes))
    with database.reading() as tx:
        assert cursors.get(tx, [("ann", "g:one")]) == {("ann", "g:one"): (59, 159)}


def test_cursors_of_several_and_the_same_conversation_in_one_call(database: Database) -> None:
    with database.transaction() as tx:
        cursors.read_up_to(tx, [("bob", "g:one", 7), ("ann", "g:one", 5), ("bob", "g:one", 3)])
        cursors.read_up_to(tx, [("ann", "g:one", 4), ("ann", "g:two", 4), ("ann", "g:two", 2)])
        cursors.read_up_to(tx, [])
        pairs = [("ann", "g:one"), ("ann", "g:two"), ("bob", "g:one"), ("bob", "g:two")]
        found = {("ann", "g:one"): (5, 0), ("ann", "g:two"): (4, 0), ("bob", "g:one"): (7, 0)}
        assert cursors.get(tx, pairs) == found


def test_mentions_above_what_was_read(database: Database) -> None:
    with database.transaction() as tx:
        mentions.insert(tx, [("ann", "g:one", 5), ("bob", "g:two", 9), ("all", "g:three", 4), ("ann", "g:one", 2)])
        mentions.insert(tx, [("ann", "g:one", 5)])
        mentions.insert(tx, [])
        reads = {"g:one": 4, "g:two": 0, "g:three": 3, "g:four": 0}
        assert mentions.mentioned(tx, "ann", reads) == {"g:one", "g:three"}
        assert mentions.mentioned(tx, "ann", {"g:one": 5, "g:three": 4}) == set()
        assert mentions.mentioned(tx, "bob", reads) == {"g:two", "g:three"}
        assert mentions.mentioned(tx, "ann", {}) == set()
