"""A hole in a numbered link is always noticed, and nothing else is taken for one."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bus.links import LinkNumbers, LinkWatch
from protocol.models import Kind, TopicMessage


def message(
    number: int, kind: Kind = "batch", source: str = "w1.e1", ready: bool = True, worker: str = "ordered"
) -> TopicMessage[object]:
    return TopicMessage("g1.e1", source, [], number, kind, worker, ready)


def test_numbers_count_from_one_for_each_gateway() -> None:
    numbers = LinkNumbers()
    assert [numbers.next("g1.e1", 0.0), numbers.next("g1.e1", 0.0), numbers.next("g2.e1", 0.0)] == [1, 2, 1]
    assert (numbers.current("g1.e1"), numbers.current("g3.e1")) == (2, 0)


def test_only_an_idle_link_owes_a_beacon() -> None:
    numbers = LinkNumbers()
    numbers.next("g1.e1", 0.0)
    assert numbers.idle({"g1.e1", "g2.e1"}, 0.5) == ["g2.e1"]
    assert numbers.idle({"g1.e1", "g2.e1"}, 1.2) == ["g1.e1"]
    assert numbers.current("g1.e1") == 1


def test_a_gateway_that_is_gone_is_forgotten() -> None:
    numbers = LinkNumbers()
    numbers.next("g1.e1", 0.0)
    assert numbers.idle(set(), 9.0) == []
    assert numbers.next("g1.e1", 9.0) == 1


@given(st.lists(st.sampled_from(["batch", "beacon"]), min_size=1, max_size=40), st.data())
def test_a_hole_is_reported_at_the_next_that_arrives(kinds: list[str], data: st.DataObject) -> None:
    """Whatever is dropped of a stream of batches and beacons: reported if and only if a batch was among it."""
    number, sent = 0, []
    for kind in kinds:
        number += kind == "batch"
        sent.append(message(number, kind))
    kept = data.draw(st.lists(st.booleans(), min_size=len(sent), max_size=len(sent)))
    watch, lost = LinkWatch(), False
    for item, is_kept in zip(sent, kept, strict=True):
        if is_kept:
            assert watch.note(item, 0.0) == lost
            lost = False
        else:
            lost |= item.kind == "batch"


def test_what_went_to_the_queue_of_a_former_connection_is_a_hole() -> None:
    """Whenever the source hears of the new one: it counts on, and so does the gateway."""
    watch = LinkWatch()
    watch.note(message(7, "beacon"), 0.0)
    watch.begin(20.0)
    assert watch.silent(24.0) == [], "nobody could be heard while there was no connection"
    assert not watch.note(message(7, "beacon"), 24.0)
    watch.begin(30.0)
    assert watch.note(message(9), 30.0)
    watch.begin(40.0)
    assert watch.silent(45.1) == ["w1.e1"]


def test_a_source_that_has_sent_before_it_was_ever_heard_is_a_hole() -> None:
    watch = LinkWatch()
    watch.begin(0.0)
    assert watch.note(message(3), 1.0)
    assert not watch.note(message(0, "beacon", source="w2.e1"), 1.0)


def test_silence_is_a_loss_but_a_farewell_is_not() -> None:
    watch = LinkWatch()
    watch.note(message(1, source="w1.e1"), 0.0)
    watch.note(message(1, source="w2.e1"), 0.0)
    assert not watch.note(message(1, "bye", source="w2.e1"), 1.0)
    assert watch.silent(4.0) == []
    assert watch.silent(5.1) == ["w1.e1"]
    assert watch.silent(99.0) == []


def test_a_farewell_tells_of_what_came_before_it() -> None:
    watch = LinkWatch()
    watch.note(message(1), 0.0)
    assert watch.note(message(2, "bye"), 0.0)


def test_readiness_is_that_of_the_sources_that_live() -> None:
    watch = LinkWatch()
    assert watch.ready_workers == set()
    watch.note(message(0, "beacon", "w1.e1", ready=False), 0.0)
    assert watch.ready_workers == set()
    watch.note(message(0, "beacon", "w2.e1"), 0.0)
    watch.note(message(0, "beacon", "p1.e1", worker="parallel"), 0.0)
    assert watch.ready_workers == {"ordered", "parallel"}
    watch.note(message(1, "batch", "w1.e1"), 0.0)
    watch.note(message(0, "bye", "w2.e1"), 0.0)
    assert watch.ready_workers == {"ordered", "parallel"}, "one of a kind is enough"
    watch.note(message(1, "beacon", "w1.e1", ready=False), 0.0)
    assert watch.ready_workers == {"parallel"}, "and stands for no other kind"
