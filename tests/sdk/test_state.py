"""The rules of a client, against a model of the server: whatever is lost, doubled or late, each once and in order."""

from __future__ import annotations

from typing import Any

from hongyan.state import MAX_CURSORS, Apply, Conversations, Event, Gap, Message, Restored, Started
from hypothesis import given
from hypothesis import strategies as st

C = "p:a:b"


def message(seq: int, conversation: str = C) -> Message:
    return {"conversation": conversation, "seq": seq, "cid": f"c{seq}", "body": {"text": str(seq)}}


def reply(entries: list[dict[str, Any]], messages: list[Message], **more: Any) -> dict[str, Any]:
    return {"epoch": "e1", "conversations": entries, "messages": messages, "more": [], "gone": [], **more}


def entry(conversation: str, first: int, max_seq: int) -> dict[str, Any]:
    return {"conversation": conversation, "from": first, "max_seq": max_seq, "read_seq": 0, "unread": 0}


def applied(events: list[Event]) -> list[int]:
    return [event.message["seq"] for event in events if isinstance(event, Apply)]


def in_step(*last: tuple[str, int]) -> Conversations:
    """A device that is in step and has these conversations up to these seqs."""
    state = Conversations()
    state.learn([{"conversation": name, "read_seq": seq} for name, seq in last])
    assert state.settle() == []
    return state


def test_the_next_is_applied_the_old_dropped_and_a_gap_told_once() -> None:
    state = in_step((C, 4))
    assert state.receive(message(5)) == [Apply(message(5))]
    assert state.receive(message(5)) == []
    assert state.receive(message(2)) == []
    assert state.receive(message(7)) == [Gap(C)]
    assert state.receive(message(9)) == []
    (request,) = state.requests()
    assert request == {"cursors": {C: 5}}
    assert applied(state.synced(request, reply([entry(C, 6, 8)], [message(n) for n in (6, 7, 8)]))) == [6, 7, 8]
    assert applied(state.settle()) == [9]


def test_what_is_pushed_during_a_sync_waits_for_its_end() -> None:
    state = Conversations()
    assert state.receive(message(3)) == state.receive(message(2)) == []
    (request,) = state.requests()
    events = state.synced(request, reply([entry(C, 1, 1)], [message(1)]))
    assert events == [Started(C, 0), Apply(message(1))]
    assert applied(state.settle()) == [2, 3]


def test_a_hole_in_what_waited_is_a_gap() -> None:
    state = in_step((C, 1))
    state.distrust()
    state.receive(message(4))
    assert state.settle() == [Gap(C)]
    assert state.requests() == [{"cursors": {C: 1}}]


def test_from_moves_a_cursor_forward_and_never_back() -> None:
    state = in_step((C, 5))
    (request,) = state.requests()
    assert applied(state.synced(request, reply([entry(C, 9, 10)], [message(9), message(10)]))) == [9, 10]
    assert applied(state.synced(request, reply([entry(C, 6, 10)], [message(6)]))) == []
    assert state.last(C) == 10


def test_a_conversation_that_began_after_the_login_is_wanted_from_its_start() -> None:
    state = in_step()
    assert state.receive(message(2)) == [Gap(C)]
    assert state.requests() == [{"cursors": {C: 0}}]


def test_what_is_gone_is_asked_for_no_more_until_it_comes_back() -> None:
    state = in_step(("g:x", 3), (C, 1))
    (request,) = state.requests()
    state.synced(request, reply([], [], gone=["g:x"]))
    assert state.settle() == []
    assert state.names() == [C]
    assert state.requests() == [{"cursors": {C: 1}, "epoch": "e1"}]
    assert state.receive(message(3, "g:x")) == []
    (request,) = state.requests()
    assert applied(state.synced(request, reply([entry("g:x", 8, 8)], [message(8, "g:x")]))) == [8]
    assert set(state.names()) == {C, "g:x"}


def test_what_is_gone_stays_gone_when_a_later_page_has_its_last_messages() -> None:
    state = in_step(("g:x", 3), (C, 1))
    (request,) = state.requests()
    state.synced(request, reply([entry(C, 2, 2)], [message(2)], gone=["g:x"], next=C))
    later = {**request, "after": C}
    assert applied(state.synced(later, reply([entry("g:x", 4, 4)], [message(4, "g:x")]))) == [4]
    assert state.rest() == []
    assert state.names() == [C]


def test_what_is_gone_is_asked_for_until_its_last_message_is_here() -> None:
    state = in_step(("g:x", 3), (C, 1))
    (request,) = state.requests()
    state.synced(request, reply([entry("g:x", 4, 6)], [message(4, "g:x")], gone=["g:x"]))
    (request,) = state.rest()
    assert request == {"cursors": {"g:x": 4}, "only": True, "epoch": "e1"}
    assert applied(state.synced(request, reply([entry("g:x", 5, 6)], [message(5, "g:x")], gone=["g:x"]))) == [5]
    (request,) = state.rest()
    state.synced(request, reply([entry("g:x", 6, 6)], [], gone=["g:x"]))  # no page has room for it
    assert state.rest() == []
    assert state.names() == [C]


def test_who_comes_back_while_the_last_messages_are_fetched_is_in_again() -> None:
    state = in_step(("g:x", 3), (C, 1))
    (request,) = state.requests()
    state.synced(request, reply([entry("g:x", 4, 6)], [message(4, "g:x")], gone=["g:x"]))
    (request,) = state.rest()
    assert applied(state.synced(request, reply([entry("g:x", 8, 8)], [message(8, "g:x")]))) == [8]
    assert state.rest() == []
    assert set(state.names()) == {C, "g:x"}


def test_another_epoch_begins_anew() -> None:
    state = in_step((C, 50))
    (request,) = state.requests()
    state.synced(request, reply([], []))
    (request,) = state.requests()
    restored = {**reply([entry(C, 1, 2)], [message(1), message(2)]), "epoch": "e2"}
    # That answer is to cursors of another history, and pushes may have come before it.
    assert state.synced(request, restored) == [Restored("e2")]
    (request,) = state.requests()
    assert request == {"cursors": {}, "epoch": "e2"}
    assert state.synced(request, restored) == [Started(C, 0), Apply(message(1)), Apply(message(2))]


def test_what_waited_under_another_epoch_is_never_applied() -> None:
    """Message 51 was pushed right before the server went down; after the restore 51 is another message."""
    state = in_step((C, 50))
    assert state.enter("e1") == []
    state.distrust()
    assert state.receive(message(51)) == []
    assert state.enter("e2") == [Restored("e2")]
    assert (state.names(), state.enter("e2")) == ([], [])
    (request,) = state.requests()
    assert state.synced(request, {**reply([entry(C, 51, 50)], []), "epoch": "e2"}) == [Started(C, 50)]
    assert state.settle() == []


def test_more_cursors_than_a_call_takes() -> None:
    names = [f"g:{number:04}" for number in range(2 * MAX_CURSORS + 1)]
    state = in_step(*((name, 1) for name in names))
    *parts, rest = state.requests()
    assert [len(part["cursors"]) for part in parts] == [MAX_CURSORS, MAX_CURSORS, 1]
    assert all(part["only"] for part in parts)
    assert rest == {"cursors": {}}
    # The call without cursors counts from read_seq: it must not move what the device knows.
    answer = reply([entry(names[0], 7, 7), entry("g:new", 1, 1)], [message(7, names[0]), message(1, "g:new")])
    assert state.synced(rest, answer) == [Started("g:new", 0), Apply(message(1, "g:new"))]
    assert state.last(names[0]) == 1


def sync_at(state: Conversations, *times: int, epoch: str = "e1") -> list[dict[str, Any]]:
    """A whole sync, whose pages have these times; its requests."""
    requests = state.requests()
    for request in requests:
        for time in times:
            state.synced(request, {**reply([], []), "time": time, "epoch": epoch})
    state.settle()
    return requests


def test_a_sync_tells_when_the_last_complete_one_began() -> None:
    state = in_step((C, 1))
    assert sync_at(state, 50, 60) == [{"cursors": {C: 1}}]
    assert sync_at(state, 70) == [{"cursors": {C: 1}, "epoch": "e1", "since": 50}]
    (request,) = state.requests()
    state.synced(request, {**reply([], []), "time": 80})  # and its connection is lost before it is over
    state.distrust()
    assert sync_at(state, 90) == [{"cursors": {C: 1}, "epoch": "e1", "since": 70}]
    assert sync_at(state, 95, epoch="e2") == [{"cursors": {C: 1}, "epoch": "e1", "since": 90}]
    # That one was cut short by the other epoch: nothing of it counts.
    assert sync_at(state, 99, epoch="e2") == [{"cursors": {}, "epoch": "e2"}]
    assert sync_at(state, 110, epoch="e2") == [{"cursors": {}, "epoch": "e2", "since": 99}]


def test_of_more_than_a_call_takes_only_the_active_ones_and_groups_are_named() -> None:
    names = [f"p:a:{number:04}" for number in range(2 * MAX_CURSORS)]
    state = in_step(*((name, 1) for name in [*names, "g:one"]))
    assert state.unnamed_since is None
    sync_at(state, 50)
    assert state.unnamed_since == 50
    known = {"epoch": "e1", "since": 50}
    assert state.requests({names[3], "p:a:new"}) == [
        {"cursors": {"g:one": 1, names[3]: 1}, "only": True, **known},
        {"cursors": {}, **known},
    ]


class Server:
    """A conversation that only grows, and a network that pushes what it likes of it."""

    def __init__(self) -> None:
        self.max_seq = 0
        self.state = Conversations()
        self.seen: list[int] = []
        self.is_syncing = True

    def take(self, events: list[Event]) -> None:
        self.seen += applied(events)
        self.is_syncing = self.is_syncing or any(isinstance(event, Gap) for event in events)

    def push(self, seq: int) -> None:
        self.take(self.state.receive(message(seq)))

    def sync(self, limit: int) -> None:
        """A whole sync, its first answer of at most `limit` messages."""
        self.is_syncing = False
        for request in self.state.requests():
            first = request["cursors"].get(C, 0) + 1
            rows = [message(seq) for seq in range(first, self.max_seq + 1)]
            entries = [entry(C, first, self.max_seq)] if rows else []
            self.take(self.state.synced(request, reply(entries, rows[:limit])))
            while self.state.last(C) < self.max_seq:
                last = self.state.last(C)
                self.take(
                    self.state.page([message(seq) for seq in range(last + 1, last + 1 + limit)][: self.max_seq - last])
                )
        self.take(self.state.settle())


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("write"), st.integers(0, 5)),
            st.tuples(st.just("push"), st.integers(0, 30)),
            st.tuples(st.just("resync"), st.just(0)),
            st.tuples(st.just("sync"), st.integers(1, 4)),
        ),
        max_size=60,
    )
)
def test_each_once_and_in_order_whatever_the_network_does(steps: list[tuple[str, int]]) -> None:
    server = Server()
    for what, number in steps:
        if what == "write":
            server.max_seq += number
        elif what == "push" and 1 <= number <= server.max_seq:
            server.push(number)
        elif what == "resync":
            server.state.distrust()
            server.is_syncing = True
        elif what == "sync" and server.is_syncing:
            server.sync(number)
    while server.is_syncing:
        server.sync(3)
    assert server.seen == list(range(1, len(server.seen) + 1))
    server.state.distrust()
    server.sync(3)
    assert server.seen == list(range(1, server.max_seq + 1))
