"""The law of the mailbox: frames in order, at least once, until the next cursor shows that they arrived."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from gateway.doors.long_poll.mailbox import Mailbox
from gateway.doors.tcp_frames import tcp_frame
from protocol.errors import ImError
from protocol.frames import MAX_SERVER_FRAME_BYTES


def put(mailbox: Mailbox, *values: object) -> None:
    mailbox.put(b"".join(tcp_frame(json.dumps(value).encode()) for value in values))


def test_nothing_is_none_and_the_cursor_stays() -> None:
    mailbox = Mailbox()
    assert mailbox.read(0) is None
    assert mailbox.empty() == b'{"cursor":0,"frames":[]}'
    put(mailbox, 1, 2)
    assert mailbox.read(0) == b'{"cursor":2,"frames":[1,2]}'
    assert mailbox.read(2) is None
    assert mailbox.empty() == b'{"cursor":2,"frames":[]}'


def test_the_old_cursor_gives_the_same_bytes_whatever_came_since() -> None:
    mailbox = Mailbox()
    put(mailbox, 1)
    first = mailbox.read(0)
    put(mailbox, 2)
    assert mailbox.read(0) == first
    assert mailbox.read(1) == b'{"cursor":2,"frames":[2]}'
    for cursor in (0, 3, 10**14):
        with pytest.raises(ImError, match="cursor"):
            mailbox.read(cursor)
    assert mailbox.read(1) == b'{"cursor":2,"frames":[2]}'


def test_who_has_everything_may_not_go_back() -> None:
    mailbox = Mailbox()
    put(mailbox, 1)
    mailbox.read(0)
    assert mailbox.read(1) is None
    with pytest.raises(ImError):
        mailbox.read(0)


def test_the_first_frame_can_be_taken_out_uncounted() -> None:
    mailbox = Mailbox()
    put(mailbox, "login", 1)
    assert mailbox.pop() == b'"login"'
    assert mailbox.read(0) == b'{"cursor":1,"frames":[1]}'


@given(st.lists(st.integers(1, 60_000), min_size=1, max_size=20))
def test_an_answer_is_at_most_128_KiB(sizes: list[int]) -> None:
    mailbox, read, cursor = Mailbox(), [], 0
    put(mailbox, *("x" * size for size in sizes))
    while (body := mailbox.read(cursor)) is not None:
        assert len(body) <= MAX_SERVER_FRAME_BYTES
        answer = json.loads(body)
        read += [len(frame) for frame in answer["frames"]]
        cursor = answer["cursor"]
    assert read == sizes
    assert cursor == len(sizes)


def test_a_frame_that_is_larger_goes_alone() -> None:
    mailbox = Mailbox()
    put(mailbox, 1, "x" * MAX_SERVER_FRAME_BYTES, 2)
    counts = [len(json.loads(mailbox.read(cursor) or b"")["frames"]) for cursor in (0, 1, 2)]
    assert counts == [1, 1, 1]


class Polling(RuleBasedStateMachine):
    """A client that loses answers, and one that has every frame once in the end."""

    def __init__(self) -> None:
        super().__init__()
        self.mailbox = Mailbox()
        self.sent: list[int] = []
        self.seen: list[int] = []
        self.cursor = 0

    @rule(count=st.integers(1, 3))
    def send(self, count: int) -> None:
        values = list(range(len(self.sent), len(self.sent) + count))
        put(self.mailbox, *values)
        self.sent += values

    @rule(arrives=st.booleans())
    def poll(self, arrives: bool) -> None:
        body = self.mailbox.read(self.cursor)
        if body is None:
            assert self.seen == self.sent
        elif arrives:
            answer = json.loads(body)
            self.seen += answer["frames"]
            self.cursor = answer["cursor"]

    @rule()
    def poll_twice(self) -> None:
        assert self.mailbox.read(self.cursor) == self.mailbox.read(self.cursor)

    @invariant()
    def nothing_is_lost_or_doubled(self) -> None:
        assert self.seen == self.sent[: len(self.seen)]


TestPolling = Polling.TestCase
