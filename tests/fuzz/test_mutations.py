"""The laws of what the fuzzer sends: it begins with what is right, and a seed says all of it."""

from __future__ import annotations

import itertools
import json
from random import Random

import pytest

from protocol.frames import read_frame
from protocol.ops import CLIENTS, OPS, find_op, read_args
from tests.fuzz.attacks import attack, dice, poll_requests
from tests.fuzz.commands import MAKERS, Cast, command
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
