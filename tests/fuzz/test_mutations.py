"""The laws of what the fuzzer sends: it begins with what is right, and a seed says all of it."""

from __future__ import annotations

import itertools
import json
from random import Random

import pytest

from protocol.errors import ImError
from protocol.frames import MAX_CLIENT_FRAME_BYTES, MAX_SERVER_FRAME_BYTES, read_frame
from protocol.ops import CLIENTS, OPS, find_op, read_args
from tests.fuzz.answers import LoopCounter
from tests.fuzz.attacks import attack, dice, poll_requests
from tests.fuzz.commands import MAKERS, Cast, command
from tests.fuzz.large import large_text
from tests.fuzz.texts import json_text

CAST = Cast("ann", "a token", "bob", "team")
NOT_OPS = {"login", "heartbeat"}


def test_every_op_of_clients_is_mutated() -> None:
    assert set(MAKERS) - NOT_OPS == {op.name for op in OPS.values() if op.callers & CLIENTS}


def test_what_mutations_begin_with_is_right() -> None:
    rng = Random(1)
    for _ in range(500):
        frame = read_frame(json.dumps(command(rng, CAST)))
        if frame.op not in NOT_OPS:
            read_args(find_op(frame.op, *CLIENTS), frame.data)


def test_a_mutation_of_the_tree_is_still_json() -> None:
    rng = Random(1)
    for _ in range(500):
        assert isinstance(json.loads(json_text(command(rng, CAST), rng)), dict)


@pytest.mark.parametrize("door", ["ws", "tcp"])
def test_a_seed_a_door_and_a_number_say_all_that_is_sent(door: str) -> None:
    def sent(seed: int, number: int) -> list[bytes]:
        made = attack(door, dice(seed, door, number), CAST)
        return [made.opening, made.login, *(burst.data for burst in itertools.islice(made.bursts, 3))]

    assert [sent(7, number) for number in range(10)] == [sent(7, number) for number in range(10)]
    assert [sent(7, number) for number in range(10)] != [sent(8, number) for number in range(10)]


def test_the_same_of_a_session_that_polls() -> None:
    def sent(number: int) -> list[bytes]:
        return [request.data for request in poll_requests("g1.session", dice(7, "poll", number), CAST)]

    assert [sent(number) for number in range(20)] == [sent(number) for number in range(20)]
    assert sent(1) != sent(2)


def test_what_is_large_is_a_frame_that_a_client_may_send() -> None:
    """So it goes far: a few are refused for their bodies, none for its frame or its arguments."""
    rng, largest = Random(1), 0
    for _ in range(300):
        text = large_text(rng, CAST)
        largest = max(largest, len(text))
        assert len(text) <= MAX_CLIENT_FRAME_BYTES
        try:
            frame = read_frame(text.decode())
        except ImError as refusal:
            assert refusal.code == "bad_field" and b"-0" in text
        else:
            read_args(find_op(frame.op, *CLIENTS), frame.data)
    assert largest > 60_000


def test_a_frame_that_no_client_needs_to_take_is_a_finding() -> None:
    tally = LoopCounter()
    large = b'{"op":"reply","data":{"x":"%b"}}' % (b"a" * MAX_SERVER_FRAME_BYTES)
    deep = b'{"op":"reply","data":{"x":%b}}' % (b"[" * 15 + b"]" * 15)
    for payload in (large, deep):
        tally.frame("here", payload)
    assert len(tally.findings) == 2 and tally.largest > MAX_SERVER_FRAME_BYTES
    tally.frame("here", b'{"op":"reply","data":{"x":%b}}' % (b"[" * 14 + b"]" * 14))
    assert len(tally.findings) == 2
