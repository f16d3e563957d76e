"""Which groups connected users are in. Law: whatever the order in which loads and deltas arrive, once all have, the
gateway knows what the store knows."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from dataclasses import dataclass, field

from hypothesis import given
from hypothesis import strategies as st

from gateway.clients.membership import Membership


def _loaded(groups: dict[str, int], user: str = "ann") -> Membership:
    membership = Membership()
    membership.track(user)
    membership.load(user, groups, membership.begin_load())
    return membership


def test_a_load_says_where_a_user_is() -> None:
    membership = _loaded({"a": 1, "b": 2})
    assert set(membership.groups()) == {"a", "b"}
    assert list(membership.members("a")) == ["ann"]
    assert list(membership.members("nowhere")) == []


def test_deltas_move_it_on_and_say_whether_anything_changed() -> None:
    membership = _loaded({"a": 1})
    assert membership.join("ann", "b", 5)
    assert not membership.join("ann", "b", 5)
    assert membership.leave("ann", "a", 9)
    assert not membership.leave("ann", "a", 9)
    assert membership.groups() == ["b"]


def test_of_a_user_who_is_not_here_nothing_is_kept() -> None:
    membership = Membership()
    assert not membership.join("bob", "a", 1)
    membership.load("bob", {"a": 1}, membership.begin_load())
    assert membership.groups() == []


def test_the_higher_seq_wins() -> None:
    membership = _loaded({"a": 7})
    assert not membership.leave("ann", "a", 6)
    assert not membership.join("ann", "a", 3)
    assert list(membership.members("a")) == ["ann"]


def test_a_delta_that_overtakes_the_answer_to_a_login_is_not_undone() -> None:
    membership = Membership()
    membership.track("ann")
    token = membership.begin_load()
    membership.leave("ann", "a", 9)
    membership.join("ann", "b", 4)
    membership.load("ann", {"a": 1}, token)
    assert membership.groups() == ["b"]


def test_what_a_later_load_does_not_name_is_gone() -> None:
    membership = _loaded({"a": 1, "b": 1})
    membership.load("ann", {"b": 1}, membership.begin_load())
    assert membership.groups() == ["b"]


def test_a_load_asked_for_earlier_does_not_undo_a_later_one() -> None:
    """A slow refresh that read before a removal, and a login in between that made the tombstone go."""
    membership = _loaded({"a": 1})
    slow = membership.begin_load()
    membership.leave("ann", "a", 9)
    membership.load("ann", {}, membership.begin_load())
    membership.load("ann", {"a": 1}, slow)
    assert membership.groups() == []


def test_forgetting_a_user_tells_which_groups_are_left_alone() -> None:
    membership = _loaded({"a": 1, "b": 1})
    membership.track("bob")
    membership.load("bob", {"b": 1}, membership.begin_load())
    assert membership.forget("ann") == ["a"]
    assert membership.forget("bob") == ["b"]
    assert membership.groups() == []


@dataclass
class World:
    """A store whose one group changes, a link that brings its deltas in order, and loads that read at some time."""

    seq: int = 0
    joined: int | None = None  # the seq of the event that put the user in
    link: list[tuple[bool, int]] = field(default_factory=list)
    asked: list[int] = field(default_factory=list)  # tokens on their way to the store
    read: list[tuple[int, dict[str, int]]] = field(default_factory=list)  # answers on their way back

    def change(self) -> None:
        self.seq += 1
        self.joined = self.seq if self.joined is None else None
        self.link.append((self.joined is not None, self.seq))

    def read_one(self, which: int) -> None:
        if self.asked:
            token = self.asked.pop(which)
            self.read.append((token, {} if self.joined is None else {"g": self.joined}))


OLDEST, NEWEST = 0, -1
SHORT = ("change", "deliver", "load", "answer oldest", "answer newest")
LONG = st.lists(st.sampled_from([*SHORT, "ask", "read oldest", "read newest"]), max_size=60)


def _step(world: World, membership: Membership, step: str) -> None:
    what, _, which = step.partition(" ")
    place = OLDEST if which == "oldest" else NEWEST
    if what == "change":
        world.change()
    elif what in ("ask", "load"):
        world.asked.append(membership.begin_load())
    if what in ("read", "load"):
        world.read_one(place)
    elif what == "answer" and world.read:
        token, groups = world.read.pop(place)
        membership.load("ann", groups, token)
    elif what == "deliver" and world.link:
        is_join, seq = world.link.pop(0)
        (membership.join if is_join else membership.leave)("ann", "g", seq)


def _is_right_in_the_end(steps: Iterable[str]) -> bool:
    """Run `steps` from a user who is in the group, then let everything arrive."""
    world, membership = World(), Membership()
    membership.track("ann")
    for step in ("change", "load", *steps):
        _step(world, membership, step)
    while world.asked or world.read or world.link:
        for step in ("read oldest", "answer oldest", "deliver"):
            _step(world, membership, step)
    return list(membership.members("g")) == (["ann"] if world.joined is not None else [])


def test_in_the_end_a_gateway_knows_what_the_store_knows_after_any_six_steps() -> None:
    wrong = [steps for steps in itertools.product(SHORT, repeat=6) if not _is_right_in_the_end(steps)]
    assert wrong == []


@given(LONG)
def test_in_the_end_a_gateway_knows_what_the_store_knows(steps: list[str]) -> None:
    assert _is_right_in_the_end(steps)
