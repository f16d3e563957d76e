"""What a message says is stored and sent as it was written, and fits into every frame that holds it."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest
from msgspec import Raw

from logic.outcome import Outcome
from logic.work import Work, read_work
from protocol import codec
from protocol.client_command import read_command
from protocol.content import MAX_BODY_DEPTH
from protocol.errors import ImError
from protocol.frames import MAX_CLIENT_FRAME_BYTES, MAX_SERVER_FRAME_BYTES, read_frame, write_frame
from protocol.models import Effect, Push, ReceiveInfo, UserInfo
from protocol.ops import OPS, read_args
from store.tables import cursors, messages
from tests.logic.road import Road, code, private, reply
from tests.store.rows import message

AB = private("ann", "bob")
NUMBERS = [
    "1e15",
    "1.0",
    "-0.0",
    "0.1000000000000000055",
    "9223372036854775807",
    "-9223372036854775808",
    "1E+5",
    "1e-400",
]
WAYS = ("quick", "careful")

_numbers = itertools.count(1)


@pytest.fixture(autouse=True)
def people(road: Road) -> None:
    road.people("ann", "bob")


def frame(body: str, type_: str = "custom", cid: str = "c", more: str = "") -> str:
    """The text of a client's frame that sends `body`, itself text."""
    data = f'"conversation":"{AB}","cid":"{cid}","type":"{type_}","body":{body}{more}'
    return f'{{"op":"message.send","id":"1","data":{{{data}}}}}'


def arrived(text: str, way: str = "quick") -> Work:
    """The frame as it reaches a worker: read by a gateway in either way, encoded, and read again."""
    if way == "quick":
        command = read_command(text)
        assert command is not None
        args = command.args
    else:
        args = read_args(OPS["message.send"], read_frame(text).data)
    encoded = Raw(codec.write_struct(args))
    work = read_work(
        ReceiveInfo("message.send", next(_numbers), "g1", "e1", encoded, UserInfo("ann")), redelivered=False
    )
    assert isinstance(work, Work)
    return work


def pushed_text(effect: Effect) -> str:
    assert isinstance(effect, Push)
    return bytes(effect.frame).decode()


@pytest.mark.parametrize("way", WAYS)
def test_numbers_come_back_as_they_were_written(road: Road, way: str) -> None:
    body = f'{{"x":[{",".join(NUMBERS)}]}}'
    outcome = road.run(arrived(frame(body), way))[0]
    assert reply(outcome)["seq"] == 1
    assert isinstance(outcome, Outcome)
    assert f'"body":{body}' in pushed_text(outcome.effects[0])
    for op, data in (
        ("message.history", {"conversation": AB}),
        ("sync", {"cursors": {AB: 0}}),
        ("conversation.list", {}),
    ):
        read = road.call(op, "bob", **data)
        assert isinstance(read.reply, bytes)
        assert f'"body":{body}'.encode() in read.reply, op


def test_a_retry_is_the_same_content_whichever_way_it_was_read(road: Road) -> None:
    text = frame('{"b":1e15,"a":[1.0,{"c":null}]}')
    first = reply(road.run(arrived(text))[0])
    other_order = frame('{ "a" : [1.0, {"c":null}], "b" : 1e15 }')
    again = [road.run(arrived(t, way))[0] for t in (text, other_order) for way in WAYS]
    assert [reply(outcome) for outcome in again] == [{**first, "duplicate": True}] * 4
    assert [code(o) for o in road.another_owner().run([arrived(text), arrived(frame('{"b":1e16}'))])] == [
        "ok",
        "conflict",
    ]


@pytest.mark.parametrize("number", ["-0", "1e400", "-1e999", "9" * 5000])
def test_a_number_that_cannot_come_back_is_refused(number: str) -> None:
    text = frame(f'{{"x":{number}}}')
    assert read_command(text) is None
    with pytest.raises(ImError) as refused:
        read_frame(text)
    assert refused.value.code in ("bad_field", "bad_frame")


def test_an_integer_beyond_64_bits_is_refused(road: Road) -> None:
    assert code(road.run(arrived(frame('{"x":18446744073709551616}')))[0]) == "bad_field"


def test_sixty_four_kilobytes_of_short_numbers_do_not_grow(road: Road) -> None:
    """Written out as 1000000000000000.0 they were 243 KB."""
    body = f'{{"x":[{",".join(["1e15"] * 12_800)}]}}'
    text = frame(body)
    assert len(text) <= MAX_CLIENT_FRAME_BYTES
    outcome = road.run(arrived(text))[0]
    assert isinstance(outcome, Outcome)
    assert len(pushed_text(outcome.effects[0])) < len(text) + 300
    read = road.call("message.history", "bob", conversation=AB)
    assert isinstance(read.reply, bytes) and len(read.reply) < MAX_SERVER_FRAME_BYTES


def levels(depth: int) -> str:
    return '{"in":' * (depth - 1) + "{}" + "}" * (depth - 1)


def replies_that_hold_it(road: Road) -> list[str]:
    """Every kind of frame in which a client gets a message, as text."""
    asked: list[tuple[str, dict[str, Any]]] = [
        ("message.history", {"conversation": AB}),
        ("sync", {"cursors": {AB: 0}}),
        ("conversation.list", {}),
    ]
    frames = []
    for op, data in asked:
        answer = road.call(op, "bob", **data)
        assert isinstance(answer.reply, bytes)
        frames.append(write_frame("reply", answer.reply, "1").decode())
    return frames


def test_what_was_received_can_be_read_and_sent_on(road: Road) -> None:
    """A body 14 deep came back in a frame 18 deep, which nobody could send on."""
    assert reply(road.run(arrived(frame(levels(MAX_BODY_DEPTH))))[0])["seq"] == 1
    received = reply(road.call("message.history", "bob", conversation=AB))["messages"][0]
    sent_on = codec.write_struct(received["body"]).decode()
    assert reply(road.run(arrived(frame(sent_on, "custom", "c2")))[0])["seq"] == 2
    for text in replies_that_hold_it(road):
        assert codec.read(text)


@pytest.mark.parametrize("type_", ["custom", "forward"])
def test_a_body_nested_deeper_than_its_frames_can_be_is_refused(road: Road, type_: str) -> None:
    inner = levels(MAX_BODY_DEPTH - 1 if type_ == "forward" else MAX_BODY_DEPTH + 1)
    body = f'{{"title":"","messages":[{inner}]}}' if type_ == "forward" else inner
    refused = road.run(arrived(frame(body, type_)))[0]
    assert isinstance(refused, Outcome) and isinstance(refused.reply, ImError)
    assert (refused.reply.code, refused.reply.extra["field"]) == ("bad_field", "body")


def test_a_body_that_was_stored_before_numbers_were_kept_as_text_can_be_read(road: Road) -> None:
    """A former version wrote them out: the row has 243 KB, and a frame with it none could be sent in."""
    numbers = [1e15, -2.5e-300, 0.0, -0.0, 12345678.25] * 2560
    row = message(AB, 1, "ann", type="custom", body=json.dumps({"x": numbers}))
    assert len(row.body) > MAX_SERVER_FRAME_BYTES
    with road.database.transaction() as tx:
        messages.insert(tx, [row])
        cursors.read_up_to(tx, [("bob", AB, 0)])
    for text in replies_that_hold_it(road):
        assert len(text) < MAX_SERVER_FRAME_BYTES
    (read,) = reply(road.call("message.history", "bob", conversation=AB))["messages"]
    assert [repr(float(number)) for number in read["body"]["x"]] == [repr(number) for number in numbers]
