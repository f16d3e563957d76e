"""Nothing is read that is not sent: bodies leave the store only as far as a frame takes them."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.frames import MAX_LIST_BYTES, MAX_SERVER_FRAME_BYTES
from store.tables import cursors, messages
from store.tables.cursors import HOUR_MS
from store.transaction import Transaction
from tests.logic.road import Road, private, reply, send
from tests.store.rows import NOW_MS, message

LARGE = '{"text":"' + "x" * 65_000 + '"}'
NOTES = private("ann", "ann")


class Fetched:
    """How many bytes of text came out of the store."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.bytes = 0
        fetched = Transaction._fetched

        def counted(tx: Transaction, sql: str) -> list[tuple[Any, ...]]:
            rows = fetched(tx, sql)
            self.bytes += sum(len(value.encode()) for row in rows for value in row if isinstance(value, str))
            return rows

        monkeypatch.setattr(Transaction, "_fetched", counted)

    def by(self, road: Road, op: str, **data: Any) -> tuple[int, dict[str, Any]]:
        """(the bytes of text that were read, the reply)."""
        self.bytes = 0
        outcome = road.call(op, "ann", **data)
        answer = reply(outcome)
        assert isinstance(outcome.reply, bytes) and len(outcome.reply) < MAX_SERVER_FRAME_BYTES
        return self.bytes, answer


@pytest.fixture
def fetched(road: Road, monkeypatch: pytest.MonkeyPatch) -> Fetched:
    road.people("ann")
    return Fetched(monkeypatch)


def _notes(road: Road, bodies: list[str]) -> None:
    with road.database.transaction() as tx:
        rows = [message(NOTES, seq, body=body) for seq, body in enumerate(bodies, 1)]
        messages.insert(tx, rows)
        cursors.mark(tx, [("ann", NOTES, 0, NOW_MS)])


def test_sync_of_500_bodies_of_64_kb_reads_about_what_it_sends_and_gets_on(road: Road, fetched: Fetched) -> None:
    _notes(road, [LARGE] * 500)
    for cursor in range(3):
        read, synced = fetched.by(road, "sync", cursors={NOTES: cursor})
        assert [m["seq"] for m in synced["messages"]] == [cursor + 1]
        assert synced["more"] == [NOTES]
        assert read <= 2 * MAX_LIST_BYTES


@pytest.mark.parametrize("length", [10, 500, 1000, 1100, 5000, 30_000])
def test_whatever_the_size_a_sync_reads_about_what_it_sends(road: Road, fetched: Fetched, length: int) -> None:
    _notes(road, [f'{{"text":"{"x" * length}"}}'] * 600)
    read, synced = fetched.by(road, "sync", cursors={NOTES: 0})
    sent = sum(len(str(message)) for message in synced["messages"])
    assert sent > MAX_LIST_BYTES / 2 and read <= 2 * sent
    seqs = [message["seq"] for message in synced["messages"]]
    assert seqs == list(range(1, len(seqs) + 1)) and synced["more"] == [NOTES]


@pytest.mark.parametrize("place", [{}, {"before": 100}, {"after": 0}, {"after": 250}])
def test_a_page_of_history_reads_about_what_it_sends(road: Road, fetched: Fetched, place: dict[str, int]) -> None:
    _notes(road, [LARGE] * 500)
    read, page = fetched.by(road, "message.history", conversation=NOTES, limit=200, **place)
    assert len(page["messages"]) == 1 and page["max_seq"] == 500
    assert read <= 2 * MAX_LIST_BYTES


def test_large_and_small_ones_come_in_their_order_and_with_their_bodies(road: Road, fetched: Fetched) -> None:
    texts = ["鸿" * (number * 37 % 1500) for number in range(300)]
    _notes(road, [f'{{"text":"{text}"}}' for text in texts])
    for forwards in (True, False):
        seen: list[dict[str, Any]] = []
        while len(seen) < len(texts):
            place = {"after": len(seen)} if forwards else {"before": len(texts) + 1 - len(seen)}
            read, page = fetched.by(road, "message.history", conversation=NOTES, limit=70, **place)
            assert page["messages"] and read <= 2 * MAX_LIST_BYTES
            seen = seen + page["messages"] if forwards else page["messages"] + seen
        assert [m["seq"] for m in seen] == list(range(1, 301))
        assert [m["body"]["text"] for m in seen] == texts


def test_a_list_of_conversations_reads_about_what_it_sends(road: Road, fetched: Fetched) -> None:
    names = [private("ann", f"u{number:03}") for number in range(200)]
    with road.database.transaction() as tx:
        messages.insert(tx, [message(name, 1, "u", time=NOW_MS, body=LARGE) for name in names])
        cursors.mark(tx, [("ann", name, 0, NOW_MS) for name in names])
    seen: list[str] = []
    after: dict[str, str] = {}
    for _ in range(5):
        read, page = fetched.by(road, "conversation.list", limit=200, **after)
        assert page["conversations"] and read <= 2 * MAX_LIST_BYTES
        seen += [view["conversation"] for view in page["conversations"]]
        after = {"after": page["next"]}
    assert seen == names[: len(seen)]


def test_the_first_message_has_room_beside_the_names_of_the_conversations(road: Road, fetched: Fetched) -> None:
    ann = "a" * 64
    others = [f"{number:03}".rjust(64, "b") for number in range(150)]
    road.people(ann, *others)
    road.run(*(send(other, private(ann, other), "x" * 16_300) for other in others))
    with road.database.transaction() as tx:
        tx.execute("UPDATE messages SET body = %s", (LARGE,))
    cursors_ = {private("c" * 64, f"{number:03}".rjust(64, "d")): 1 for number in range(300)}
    pages, data = [], {}
    while True:
        outcome = road.call("sync", ann, cursors=cursors_, **data)
        assert isinstance(outcome.reply, bytes) and len(outcome.reply) < MAX_SERVER_FRAME_BYTES
        pages.append(reply(outcome))
        assert pages[-1]["messages"]
        if "next" not in pages[-1]:
            break
        data = {"after": pages[-1]["next"]}
    shown = [entry["conversation"] for page in pages for entry in page["conversations"]]
    assert sorted(shown) == sorted(private(ann, other) for other in others)


def test_sync_pages_by_150_at_most_and_each_comes_once(road: Road) -> None:
    names = [f"u{number:04}" for number in range(700)]
    road.people("ann", *names)
    with road.database.transaction() as tx:
        messages.insert(tx, [message(private("ann", name), 1, name, time=NOW_MS) for name in names])
        cursors.mark(tx, [("ann", private("ann", name), 0, NOW_MS - int(name[1:]) % 5 * HOUR_MS) for name in names])
    named = {private("ann", name): 0 for name in names[100:300]}
    seen: list[str] = []
    after: dict[str, str] = {}
    while True:
        page = reply(road.call("sync", "ann", cursors=named, **after))
        assert len(page["conversations"]) <= 150
        seen += [entry["conversation"] for entry in page["conversations"]]
        if "next" not in page:
            break
        after = {"after": page["next"]}
    assert sorted(seen) == [private("ann", name) for name in names]
