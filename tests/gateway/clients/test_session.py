"""One connection's conversation, without I/O: which frame has which effect in which state."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clients.session import (
    MAX_BAD_FRAMES,
    OFFENCES_WINDOW_S,
    TRANSITIONS,
    Early,
    Effect,
    End,
    IllegalTransition,
    Login,
    Reply,
    Session,
    State,
)
from protocol.client_command import ClientCommand
from protocol.errors import Close

LOGIN = '{"op":"login","id":"1","data":{"token":"t","terminal":"web"}}'
SYNC = '{"op":"sync","id":"2","data":{"cursors":{}}}'
PATHS = {
    State.CONNECTED: [],
    State.OPENING: [State.OPENING],
    State.OPEN: [State.OPENING, State.OPEN],
    State.CLOSED: [State.CLOSED],
}


def session_in(state: State) -> Session:
    session = Session()
    for step in PATHS[state]:
        session.move(step)
    return session


def said(effect: Effect) -> dict[str, Any]:
    assert isinstance(effect, Reply)
    frame: dict[str, Any] = json.loads(effect.frame)
    return frame


def code_of(effect: Effect) -> str:
    return str(said(effect)["data"]["code"])


@pytest.mark.parametrize("start", State)
@pytest.mark.parametrize("to", State)
def test_only_the_steps_of_the_table_are_taken(start: State, to: State) -> None:
    session = session_in(start)
    if to in TRANSITIONS[start]:
        session.move(to)
        assert session.state is to
    else:
        with pytest.raises(IllegalTransition, match=f"{start.value}.*{to.value}"):
            session.move(to)


def test_the_first_frame_is_a_login() -> None:
    session = Session()
    (effect,) = session.receive(LOGIN, 0)
    assert isinstance(effect, Login)
    assert (effect.id, effect.info.token, effect.info.terminal) == ("1", "t", "web")
    assert session.state is State.OPENING


@pytest.mark.parametrize("field", ["device", "client"])
def test_what_a_login_says_of_its_device_and_client_has_at_most_128_characters(field: str) -> None:
    (refused,) = Session().receive(LOGIN.replace("}}", f',"{field}":"{"安" * 129}"}}}}'), 0)
    assert code_of(refused) == "bad_field" and field in said(refused)["data"]["message"]
    (taken,) = Session().receive(LOGIN.replace("}}", f',"{field}":"{"安" * 128}"}}}}'), 0)
    assert isinstance(taken, Login)


@pytest.mark.parametrize("text", [SYNC, '{"op":"heartbeat"}', '{"op":"no.op","id":"2"}', '{"op":"","id":"2"}'])
def test_what_comes_before_the_login_ends_the_connection(text: str) -> None:
    session = Session()
    error, end = session.receive(text, 0)
    assert code_of(error) == "unauthenticated"
    assert isinstance(end, End) and end.code is Close.NOT_LOGGED_IN
    assert session.state is State.CLOSED


@pytest.mark.parametrize(
    ("data", "field"),
    [
        ({}, "token"),
        ({"token": 1, "terminal": "web"}, "token"),
        ({"token": None, "terminal": "web"}, "token"),
        ({"token": "t", "terminal": "fridge"}, "terminal"),
        ({"token": "t"}, "terminal"),
        ({"token": "t", "terminal": "web", "device": 7}, "device"),
    ],
)
def test_a_login_with_a_wrong_field_is_told_which_and_may_be_tried_again(data: dict[str, Any], field: str) -> None:
    session = Session()
    (error,) = session.receive(json.dumps({"op": "login", "id": "1", "data": data}), 0)
    assert code_of(error) == "bad_field"
    assert said(error)["data"]["field"] == field
    assert isinstance(session.receive(LOGIN, 0)[0], Login)


@pytest.mark.parametrize("state", [State.OPENING, State.OPEN])
def test_a_second_login_is_refused_and_the_connection_kept(state: State) -> None:
    session = session_in(state)
    (error,) = session.receive(LOGIN, 0)
    assert code_of(error) == "bad_field"
    assert said(error)["id"] == "1"
    assert session.state is state


@pytest.mark.parametrize("state", [State.OPENING, State.OPEN])
def test_a_heartbeat_is_answered_with_the_time(state: State) -> None:
    (reply,) = session_in(state).receive('{"op":"heartbeat"}', 0)
    assert said(reply)["op"] == "heartbeat"
    assert isinstance(said(reply)["data"]["time"], int)
    assert "id" not in said(reply)


@pytest.mark.parametrize("state", [State.OPENING, State.OPEN])
def test_a_heartbeat_with_an_id_is_answered_with_it(state: State) -> None:
    (reply,) = session_in(state).receive('{"op":"heartbeat","id":"beat-7"}', 0)
    assert (said(reply)["op"], said(reply)["id"]) == ("heartbeat", "beat-7")


def test_what_comes_right_behind_the_login_waits_for_it() -> None:
    session = Session()
    session.receive(LOGIN, 0)
    (early,) = session.receive(SYNC, 0)
    assert early == Early(SYNC, "2")  # its text, which is small
    session.move(State.OPEN)
    (effect,) = session.receive(early.text, 1)
    assert isinstance(effect, ClientCommand)
    assert (effect.op.name, effect.id) == ("sync", "2")


def test_what_waited_for_a_login_that_was_refused_has_no_effect() -> None:
    session = Session()
    session.receive(LOGIN, 0)
    (early,) = session.receive(SYNC, 0)
    assert isinstance(early, Early)
    session.move(State.CLOSED)
    assert session.receive(early.text, 1) == []


def test_an_op_of_a_client_goes_up_the_road() -> None:
    (effect,) = session_in(State.OPEN).receive(SYNC, 0)
    assert isinstance(effect, ClientCommand)
    assert (effect.op.name, effect.args.cursors, effect.id) == ("sync", {}, "2")


def test_an_op_of_ours_does_not() -> None:
    (error,) = session_in(State.OPEN).receive('{"op":"session.open","id":"2","data":{"user":"a","session":"s"}}', 0)
    assert (code_of(error), said(error)["id"]) == ("unknown_op", "2")


def test_the_third_bad_frame_within_ten_seconds_ends_it() -> None:
    session = session_in(State.OPEN)
    for now in range(MAX_BAD_FRAMES - 1):
        assert [code_of(effect) for effect in session.receive("not json", now)] == ["bad_frame"]
    error, end = session.receive("[]", OFFENCES_WINDOW_S)
    assert code_of(error) == "bad_frame"
    assert isinstance(end, End) and end.code is Close.BAD_FRAMES
    assert session.receive(SYNC, 11) == []


def test_bad_frames_that_are_far_apart_are_forgiven() -> None:
    session = session_in(State.OPEN)
    for now in range(50):
        assert len(session.receive("{", now * OFFENCES_WINDOW_S / 1.9)) == 1


def test_unknown_ops_are_no_offence() -> None:
    """A client of a newer contract asks for ops that this server does not have."""
    session = session_in(State.OPEN)
    for op in ('"message.delivered"', '"no.op"', '["a"]', "null") * 25:
        (error,) = session.receive(f'{{"op":{op},"id":"x"}}', 0)
        assert code_of(error) == "unknown_op"
    assert session.state is State.OPEN


def test_a_wrong_field_is_no_offence() -> None:
    session = session_in(State.OPEN)
    for _ in range(100):
        (error,) = session.receive('{"op":"sync","id":1}', 0)
        assert code_of(error) == "bad_field"
    assert session.state is State.OPEN


FRAMES = (
    st.sampled_from([LOGIN, SYNC, '{"op":"heartbeat"}', "{", "[]", '{"op":"no.op"}', '{"op":"sync","id":7}'])
    | st.text()
)


@given(st.lists(st.tuples(FRAMES, st.booleans()), max_size=40))
def test_whatever_comes_the_session_holds_its_laws(steps: list[tuple[str, bool]]) -> None:
    session = Session()
    for now, (text, is_login_done) in enumerate(steps):
        if is_login_done and session.state is State.OPENING:
            session.move(State.OPEN)
        before = session.state
        effects = session.receive(text, float(now))
        if before is State.CLOSED:
            assert effects == []
        ends = [effect for effect in effects if isinstance(effect, End)]
        assert (session.state is State.CLOSED) == (bool(ends) or before is State.CLOSED)
        assert ends in ([], effects[-1:])
        assert before is State.OPEN or not any(isinstance(effect, ClientCommand) for effect in effects)
        assert before is State.CONNECTED or not any(isinstance(effect, Login) for effect in effects)
