"""What crosses the bus is read back as it was written; refusals and closes are complete."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from msgspec import Raw

from protocol import codec, replies
from protocol.errors import (
    CLOSE_REASON,
    HTTP_STATUS,
    RECONNECT,
    RETRYABLE,
    Close,
    ImError,
    busy,
    internal,
    not_found,
    timeout,
)
from protocol.models import (
    Answer,
    Downward,
    DownwardMessage,
    Membership,
    Push,
    ReceiveInfo,
    Revocation,
    Takeover,
    UpwardMessage,
    UserInfo,
    read_downward,
    read_upward,
)
from protocol.reach import EVERYWHERE, ORIGIN, Reach

DATA = Raw('{"body":{"text":"你好"}}'.encode())
COMMAND = ReceiveInfo("message.send", 7, "g1", "e1", DATA, UserInfo("ann", "web"), "s1", 3)


def test_commands_cross_the_bus() -> None:
    message = UpwardMessage("ordered.1", "g1.e1", [COMMAND])
    assert read_upward(codec.write_struct(message)) == message
    assert (COMMAND.origin, COMMAND.name) == ("g1.e1", "g1.e1.7")


def test_answers_pushes_and_deltas_cross_the_bus_in_order() -> None:
    bodies = [
        Answer(7, "reply", Raw(b'{"seq":1}')),
        Push(Raw(b'{"op":"message"}'), users=["bob"], excluded="g1.e1.3"),
        Membership("team", 4, joined=["bob"]),
        Revocation(["s1"], "logged_out"),
        Takeover("ann", "web", 1_795_309_909_181, "d1", "g1.e1.3"),
    ]
    read = read_downward(codec.write_struct(DownwardMessage("gateway.g1.e1.1", "w1.e", bodies, number=9)))
    assert [type(body) for body in read.bodies] == [Answer, Push, Membership, Revocation, Takeover]
    assert (read.number, read.kind, read.ready) == (9, "batch", True)
    answer, push = read.bodies[:2]
    assert isinstance(answer, Answer) and bytes(answer.data) == b'{"seq":1}'
    assert isinstance(push, Push) and push.users == ["bob"] and push.terminals is None


def test_each_kind_says_whom_it_reaches() -> None:
    frame = Raw(b"{}")
    assert Answer(7, "reply", frame).reach == ORIGIN
    assert Push(frame, ["ann", "bob"]).reach == Reach(["ann", "bob"])
    assert Push(frame, group="team").reach == Reach([], "team")
    assert Membership("team", 4).reach == Revocation(["s1"], "logged_out").reach == EVERYWHERE
    assert Takeover("ann", "web", 1, "d1", "g1.e1.3").reach.users == ("ann",)


@pytest.mark.parametrize("kind", get_args(Downward))
def test_no_kind_reaches_nobody_by_design(kind: type[Downward]) -> None:
    """The fan-out asks nothing else: a kind without it would stop the whole batch."""
    assert isinstance(kind.reach, Reach | property)


def test_only_a_push_is_cut_up() -> None:
    push = Push(Raw(b"{}"), ["ann", "bob"], terminals=["app"], transient=True)
    assert push.for_users(["ann", "bob"]) is push
    assert push.for_users(["bob"]) == Push(Raw(b"{}"), ["bob"], terminals=["app"], transient=True)
    takeover = Takeover("ann", "web", 1, "d1", "g1.e1.3")
    assert takeover.for_users(["ann"]) is takeover


def test_what_a_push_does_not_say_is_not_written() -> None:
    assert codec.write_struct(Push(Raw(b"{}"), ["bob"])) == b'{"kind":"push","frame":{},"users":["bob"]}'
    assert codec.write_struct(Push(Raw(b"{}"), ["bob"], transient=True)).endswith(b'"transient":true}')


def test_a_reply_has_the_names_of_the_wire() -> None:
    synced = replies.SyncedConversation(conversation="g:x", max_seq=9, read_seq=1, unread=2, from_=3)
    assert json.loads(codec.write_struct(synced)) == {
        "conversation": "g:x",
        "max_seq": 9,
        "read_seq": 1,
        "unread": 2,
        "from": 3,
    }
    message = replies.Message("g:x", 1, "c", "ann", "text", Raw(b'{"text":"hi"}'), 5)
    assert "mentions" not in json.loads(codec.write_struct(message))
    assert json.loads(codec.write_struct(replies.Sent("g:x", 1, 5, False)))["duplicate"] is False


@pytest.mark.parametrize("code", sorted(HTTP_STATUS))
def test_every_code_has_a_status_and_says_whether_to_retry(code: str) -> None:
    refusal = ImError(code, "words")
    assert 400 <= refusal.status < 600
    assert refusal.data()["retry"] is (code in RETRYABLE)


def test_every_close_has_a_reason_that_fits_its_frame() -> None:
    assert set(CLOSE_REASON) == set(Close)
    assert all(len(reason.encode()) <= 123 for reason in CLOSE_REASON.values())
    assert set(Close) >= RECONNECT


def test_an_unknown_outcome_asks_for_the_same_cid() -> None:
    assert busy().data()["retry"] and timeout().data()["retry"] and not not_found().data()["retry"]
    assert internal("t1").data()["trace"] == "t1"
