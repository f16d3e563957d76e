"""The oracle is only worth something if it finds what is planted, and finds nothing where nothing is."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.faults.history import (
    Acked,
    Applied,
    Began,
    Disturbed,
    Event,
    History,
    Member,
    Received,
    Refused,
    Row,
    Sent,
    Synced,
)
from tests.faults.oracle import judge

TEAM = "g:team"


def good() -> History:
    """Alice (two devices) and bob write into a group of three; carol is removed after seq 4 and comes back at 7."""
    rows = [
        Row(TEAM, 1, "alice", "create", "notice-1", is_event=True),
        Row(TEAM, 2, "alice", "a1", "hash-a1"),
        Row(TEAM, 3, "bob", "b1", "hash-b1"),
        Row(TEAM, 4, "alice", "out", "notice-4", is_event=True),
        Row(TEAM, 5, "alice", "a2", "hash-a2"),
        Row(TEAM, 6, "bob", "b2", "hash-b2"),
        Row(TEAM, 7, "alice", "in", "notice-7", is_event=True),
        Row(TEAM, 8, "alice", "a3", "hash-a3"),
    ]
    events: list[Event] = []
    for row in rows:
        if not row.is_event:
            device = "alice-web" if row.sender == "alice" else "bob-app"
            events.append(Sent(row.sender, row.cid, TEAM, row.body_hash, device, f"{device}-1"))
            events.append(Acked(row.sender, row.cid, TEAM, row.seq, 1000 + row.seq, duplicate=False))
        for device in ("alice-web", "alice-app", "bob-app", "carol-web"):
            if device != "carol-web" or row.seq not in (5, 6):
                events.append(Applied(device, TEAM, row.seq, row.cid, row.body_hash))
    events += [Disturbed("bob-app", "reconnect"), Synced("bob-app", "reconnect"), Disturbed("bob-app", "gap")]
    members = [Member("alice", TEAM), Member("bob", TEAM), Member("carol", TEAM, 1, 4), Member("carol", TEAM, 7)]
    devices = {"alice-web": "alice", "alice-app": "alice", "bob-app": "bob", "carol-web": "carol"}
    return History(events, rows, members, devices)


def rules(history: History) -> set[str]:
    return {violation.rule for violation in judge(history)}


def with_events(history: History, events: Iterable[Event]) -> History:
    return replace(history, events=list(events))


def with_rows(history: History, rows: Iterable[Row]) -> History:
    return replace(history, rows=list(rows))


def change_applied(history: History, device: str, seq: int, change: Callable[[Applied], Iterable[Applied]]) -> History:
    """Every Applied of this device at this seq becomes what `change` makes of it."""
    events: list[Event] = []
    for event in history.events:
        is_it = isinstance(event, Applied) and (event.device, event.seq) == (device, seq)
        events += change(event) if is_it and isinstance(event, Applied) else [event]
    return with_events(history, events)


def test_a_good_history_passes() -> None:
    assert judge(good()) == []


def test_retries_that_get_the_same_answer_are_good() -> None:
    history = good()
    again = [Sent("alice", "a1", TEAM, "hash-a1", "alice-web"), Acked("alice", "a1", TEAM, 2, 1002, duplicate=True)]
    assert judge(with_events(history, [*history.events, *again])) == []


def test_an_unanswered_send_may_be_stored_or_not() -> None:
    history = good()
    lost = Sent("bob", "b9", TEAM, "hash-b9", "bob-app")
    assert judge(with_events(history, [*history.events, lost, Refused("bob", "b9", "timeout")])) == []
    unanswered = [event for event in history.events if not (isinstance(event, Acked) and event.cid == "b2")]
    assert judge(with_events(history, unanswered)) == []


@pytest.mark.parametrize("device", ["alice-web", "alice-app", "bob-app", "carol-web"])
@pytest.mark.parametrize("seq", [1, 4, 8])
def test_a_message_that_a_device_never_got(device: str, seq: int) -> None:
    assert rules(change_applied(good(), device, seq, lambda _: [])) == {"missed"}


def test_a_device_that_was_away_at_the_end_may_lack_the_newest_only() -> None:
    history = replace(good(), unfinished=frozenset({"bob-app"}))
    assert judge(change_applied(history, "bob-app", 8, lambda _: [])) == []
    assert rules(change_applied(history, "bob-app", 5, lambda _: [])) == {"missed"}


def test_a_device_that_got_nothing_at_all() -> None:
    history = good()
    deaf = [event for event in history.events if not (isinstance(event, Applied) and event.device == "bob-app")]
    assert rules(with_events(history, deaf)) == {"missed"}


def test_a_new_device_starts_where_its_user_has_read() -> None:
    history = good()
    late = [Began("bob-pad", TEAM, 6), *(Applied("bob-pad", TEAM, r.seq, r.cid, r.body_hash) for r in history.rows[6:])]
    history = replace(history, devices={**history.devices, "bob-pad": "bob"})
    assert judge(with_events(history, [*history.events, *late])) == []
    assert rules(with_events(history, [*history.events, *late[:-1]])) == {"missed"}


def test_a_message_applied_twice() -> None:
    assert rules(change_applied(good(), "bob-app", 3, lambda one: [one, one])) == {"applied_twice"}


def test_a_message_applied_again_much_later() -> None:
    history = good()
    again = Applied("bob-app", TEAM, 2, "a1", "hash-a1")
    assert rules(with_events(history, [*history.events, again])) == {"applied_twice"}


def test_messages_applied_in_another_order() -> None:
    history = good()
    moved = Applied("alice-app", TEAM, 3, "b1", "hash-b1")
    without = change_applied(history, "alice-app", 3, lambda _: [])
    assert rules(with_events(without, [*without.events, moved])) == {"out_of_order"}


def test_a_body_altered_on_its_way_to_a_device() -> None:
    assert rules(change_applied(good(), "bob-app", 2, lambda one: [replace(one, body_hash="other")])) == {"altered"}


def test_a_message_shown_under_the_seq_of_another() -> None:
    assert rules(change_applied(good(), "bob-app", 2, lambda one: [replace(one, cid="a2")])) == {"altered"}


def test_a_body_altered_in_the_store() -> None:
    history = good()
    rows = [replace(row, body_hash="other") if row.cid == "a2" else row for row in history.rows]
    assert rules(with_rows(history, rows)) == {"altered"}


@pytest.mark.parametrize("seq", [5, 6])
def test_a_message_leaked_to_a_member_who_was_removed(seq: int) -> None:
    history = good()
    row = history.rows[seq - 1]
    leak = Applied("carol-web", TEAM, seq, row.cid, row.body_hash)
    place = next(i for i, e in enumerate(history.events) if isinstance(e, Applied) and e.seq == 7)
    assert rules(with_events(history, [*history.events[:place], leak, *history.events[place:]])) == {"leaked"}


def test_a_message_pushed_to_a_member_who_was_removed() -> None:
    """Even if the client, which has a gap there, never shows it."""
    history = good()
    assert judge(with_events(history, [*history.events, Received("carol-web", TEAM, 4)])) == []
    assert rules(with_events(history, [*history.events, Received("carol-web", TEAM, 6)])) == {"leaked"}


def test_a_message_leaked_to_somebody_who_never_was_a_member() -> None:
    history = replace(good(), devices={**good().devices, "eve-web": "eve"})
    leak = Applied("eve-web", TEAM, 2, "a1", "hash-a1")
    assert rules(with_events(history, [*history.events, leak])) == {"leaked"}


def test_a_message_of_a_conversation_that_exists_nowhere() -> None:
    history = good()
    ghost = Applied("bob-app", "p:bob:eve", 1, "x", "hash-x")
    assert rules(with_events(history, [*history.events, ghost])) == {"phantom", "leaked"}


def test_acknowledged_but_not_stored() -> None:
    history = good()
    events = [*history.events, Sent("bob", "b3", TEAM, "hash-b3"), Acked("bob", "b3", TEAM, 9, 2000, duplicate=False)]
    assert rules(with_events(history, events)) == {"lost"}


def test_the_last_message_vanishes_from_the_store() -> None:
    history = good()
    assert "lost" in rules(with_rows(history, history.rows[:-1]))
    assert "phantom" in rules(with_rows(history, history.rows[:-1]))


def test_acknowledged_with_another_seq_than_stored() -> None:
    history = good()
    events = [
        replace(event, seq=6, time=1006) if isinstance(event, Acked) and event.cid == "a2" else event
        for event in history.events
    ]
    assert rules(with_events(history, events)) == {"wrong_seq"}


def test_stored_twice_under_one_cid() -> None:
    history = good()
    rows = [*history.rows, Row(TEAM, 9, "bob", "b2", "hash-b2")]
    events = list(history.events)
    for device in ("alice-web", "alice-app", "bob-app", "carol-web"):
        events.append(Applied(device, TEAM, 9, "b2", "hash-b2"))
    assert rules(with_events(with_rows(history, rows), events)) == {"stored_twice"}


def test_two_messages_under_one_seq() -> None:
    history = good()
    rows = [*history.rows, Row(TEAM, 8, "bob", "b3", "hash-b3")]
    events = [*history.events, Sent("bob", "b3", TEAM, "hash-b3"), Acked("bob", "b3", TEAM, 8, 9, duplicate=False)]
    assert "seq_twice" in rules(with_events(with_rows(history, rows), events))


def test_a_hole_in_the_seqs() -> None:
    history = good()
    rows = [replace(row, seq=9) if row.seq == 8 else row for row in history.rows]
    events = [
        replace(event, seq=9) if isinstance(event, Acked | Applied) and event.seq == 8 else event
        for event in history.events
    ]
    assert rules(with_events(with_rows(history, rows), events)) == {"seq_hole"}


def test_a_conversation_that_begins_at_zero() -> None:
    history = good()
    assert "seq_hole" in rules(with_rows(history, [Row(TEAM, 0, "alice", "zero", "n", is_event=True), *history.rows]))


def test_a_stored_message_that_nobody_sent() -> None:
    history = good()
    row = Row("p:alice:bob", 1, "alice", "never", "hash")
    assert rules(with_rows(history, [*history.rows, row])) == {"phantom"}


def test_a_message_stored_in_another_conversation() -> None:
    history = good()
    events = [*history.events, Sent("alice", "a4", "p:alice:bob", "h"), Refused("alice", "a4", "timeout")]
    rows = [*history.rows, Row("p:alice:eve", 1, "alice", "a4", "h")]
    assert rules(with_events(with_rows(history, rows), events)) == {"phantom"}


@pytest.mark.parametrize("change", [{"seq": 3}, {"time": 7}, {"conversation": "p:alice:bob"}])
def test_a_retry_that_is_answered_differently(change: dict[str, object]) -> None:
    history = good()
    answer = replace(Acked("alice", "a1", TEAM, 2, 1002, duplicate=True), **change)  # type: ignore[arg-type]
    assert "different_answers" in rules(with_events(history, [*history.events, answer]))


def test_a_retry_that_is_answered_as_new() -> None:
    history = good()
    answer = Acked("alice", "a1", TEAM, 2, 1002, duplicate=False)
    assert rules(with_events(history, [*history.events, answer])) == {"new_twice"}


def test_refused_for_good_but_stored() -> None:
    history = good()
    events = [
        Refused(event.sender, event.cid, "forbidden") if isinstance(event, Acked) and event.cid == "b2" else event
        for event in history.events
    ]
    assert rules(with_events(history, events)) == {"refused_but_stored"}
    uncertain = [replace(event, code="busy") if isinstance(event, Refused) else event for event in events]
    assert judge(with_events(history, uncertain)) == []


def two_messages(first: Iterable[Event], later: Iterable[Event] = ()) -> History:
    """x is stored behind y."""
    rows = [Row("p:a:a", 1, "a", "y", "hy"), Row("p:a:a", 2, "a", "x", "hx")]
    return History([*first, *later], rows, [], {})


def test_a_message_numbered_before_one_acknowledged_earlier() -> None:
    acked_x, acked_y = Acked("a", "x", "p:a:a", 2, 5, duplicate=False), Acked("a", "y", "p:a:a", 1, 5, duplicate=False)
    x, y = Sent("a", "x", "p:a:a", "hx"), Sent("a", "y", "p:a:a", "hy")
    assert rules(two_messages([x, acked_x, y, acked_y])) == {"order"}
    assert judge(two_messages([y, x, acked_x, acked_y])) == []
    assert judge(two_messages([y, x, acked_x, Refused("a", "y", "timeout"), y, acked_y])) == []


def test_messages_of_one_connection_numbered_in_another_order() -> None:
    acks = [Acked("a", "x", "p:a:a", 2, 5, duplicate=False), Acked("a", "y", "p:a:a", 1, 5, duplicate=False)]
    x, y = Sent("a", "x", "p:a:a", "hx", "web", "c1"), Sent("a", "y", "p:a:a", "hy", "web", "c1")
    assert rules(two_messages([x, y, *acks])) == {"order"}
    assert judge(two_messages([y, x, *acks])) == []
    assert judge(two_messages([x, replace(y, connection="c2"), *acks])) == []
    assert judge(two_messages([x, y, replace(x, connection="c2"), *acks])) == []


def test_an_answer_numbered_before_what_it_answers() -> None:
    rows = [Row("p:a:b", 1, "b", "answer", "h"), Row("p:a:b", 2, "a", "question", "h")]
    question = [Sent("a", "question", "p:a:b", "h", "a-web"), Acked("a", "question", "p:a:b", 2, 5, duplicate=False)]
    seen = [Applied("b-web", "p:a:b", 1, "answer", "h"), Applied("b-web", "p:a:b", 2, "question", "h")]
    answer = [Sent("b", "answer", "p:a:b", "h", "b-web"), Acked("b", "answer", "p:a:b", 1, 4, duplicate=False)]
    members = [Member("b", "p:a:b")]
    assert rules(History([*question, *seen, *answer], rows, members, {"b-web": "b"})) == {"order"}
    assert judge(History([*question, *answer, *seen], rows, members, {"b-web": "b"})) == []


@pytest.mark.parametrize("reason", ["reconnect", "resync", "login"])
def test_a_sync_without_a_reason(reason: str) -> None:
    history = good()
    sync = Synced("bob-app", reason)  # type: ignore[arg-type]
    assert rules(with_events(history, [*history.events, sync])) == {"needless_sync"}


def test_every_violation_is_a_sentence_that_names_the_message() -> None:
    [violation] = judge(change_applied(good(), "bob-app", 3, lambda _: []))
    assert str(violation) == "missed: bob-app never applied g:team/[3] (1 in all)."


SEQS = st.integers(1, 8)
DEVICES = st.sampled_from(["alice-web", "alice-app", "bob-app"])


@given(DEVICES, SEQS, st.sampled_from(["drop", "double", "alter", "swap"]))
def test_no_single_fault_at_any_device_goes_unseen(device: str, seq: int, fault: str) -> None:
    changes: dict[str, Callable[[Applied], Iterable[Applied]]] = {
        "drop": lambda _: [],
        "double": lambda one: [one, one],
        "alter": lambda one: [replace(one, body_hash=one.body_hash + "!")],
        "swap": lambda one: [replace(one, seq=seq % 8 + 1)],
    }
    assert judge(change_applied(good(), device, seq, changes[fault]))


@given(SEQS, st.sampled_from(["drop", "double", "alter"]))
def test_no_single_fault_in_the_store_goes_unseen(seq: int, fault: str) -> None:
    history = good()
    row = history.rows[seq - 1]
    others = [one for one in history.rows if one is not row]
    stored = {"drop": [], "double": [row, row], "alter": [replace(row, body_hash="other")]}[fault]
    assert judge(with_rows(history, [*others, *stored]))
