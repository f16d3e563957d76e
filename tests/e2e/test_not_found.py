"""What is not yours and what does not exist look the same, to the byte; and one never learns which it was."""

from __future__ import annotations

from typing import Any

import pytest

from protocol.ids import private_conversation
from tests.deployments import Deployment, User
from tests.e2e.conftest import NewSocket, NewUser
from tests.http_calls import api

SEND = {"cid": "c1", "type": "text", "body": {"text": "let me in"}}

# op -> the data that names a conversation or a group
CONVERSATION_OPS: dict[str, dict[str, Any]] = {
    "message.send": SEND,
    "message.history": {},
    "message.read": {"seq": 1},
}
GROUP_OPS: dict[str, dict[str, Any]] = {
    "group.get": {},
    "group.members": {},
    "group.invite": {"users": ["MALLORY"]},
    "group.leave": {},
    "group.remove": {"users": ["ALICE"]},
}


@pytest.fixture
async def others(deployment: Deployment, new_user: NewUser) -> dict[str, Any]:
    """A group and a private conversation of others, with messages in them, and the one who is in neither."""
    alice, bob, mallory = new_user("alice"), new_user("bob"), new_user("mallory")
    port = deployment.ports[0]
    created = await api(port, "group.create", {"name": "geese", "members": [bob.id]}, alice.token)
    group = created.data["group"]["id"]
    private = private_conversation(alice.id, bob.id)
    for conversation in (f"g:{group}", private):
        sent = await api(port, "message.send", {**SEND, "conversation": conversation, "cid": conversation}, alice.token)
        assert sent.status == 200
    return {"group": group, "private": private, "alice": alice, "mallory": mallory}


async def answers(deployment: Deployment, new_socket: NewSocket, user: User, op: str, datas: list[Any]) -> set[bytes]:
    """The different answers that these get, over HTTP and over a socket."""
    seen: set[bytes] = set()
    for data in datas:
        answer = await api(deployment.ports[0], op, data, user.token)
        assert (answer.status, answer.code) == (404, "not_found"), (op, data, answer.body)
        seen.add(answer.body)
        socket = await new_socket(user)
        await socket.write_frame(op, data, id="7")
        seen.add((await socket.read_text()).encode())
    return seen


@pytest.mark.parametrize("op", CONVERSATION_OPS)
async def test_conversations_of_others_and_none_are_the_same(
    op: str, deployment: Deployment, new_socket: NewSocket, others: dict[str, Any]
) -> None:
    mallory = others["mallory"]
    names = [
        f"g:{others['group']}",
        "g:nonesuch",
        others["private"],
        "p:nobody-a:nobody-b",
        private_conversation(mallory.id, "nobody-at-all"),
        f"s:{others['alice'].id}",
        "s:nobody-at-all",
    ]
    datas = [{**CONVERSATION_OPS[op], "conversation": name} for name in names]
    seen = await answers(deployment, new_socket, mallory, op, datas)
    assert len(seen) == 2, seen  # one for each door


@pytest.mark.parametrize("op", GROUP_OPS)
async def test_groups_of_others_and_none_are_the_same(
    op: str, deployment: Deployment, new_socket: NewSocket, others: dict[str, Any]
) -> None:
    ids = {"ALICE": others["alice"].id, "MALLORY": others["mallory"].id}
    data = {key: [ids[name] for name in names] for key, names in GROUP_OPS[op].items()}
    datas = [{**data, "group": group} for group in (others["group"], "nonesuch")]
    seen = await answers(deployment, new_socket, others["mallory"], op, datas)
    assert len(seen) == 2, seen


async def test_a_sync_of_what_is_not_mine_tells_the_same_of_both(
    deployment: Deployment, others: dict[str, Any]
) -> None:
    asked = {"cursors": {f"g:{others['group']}": 0, "g:nonesuch": 0, others["private"]: 0}}
    reply = (await api(deployment.ports[0], "sync", asked, others["mallory"].token)).data
    assert reply["messages"] == reply["conversations"] == reply["more"] == []
    assert reply["gone"] == sorted(asked["cursors"])


async def test_a_former_member_is_as_a_stranger(
    deployment: Deployment, new_user: NewUser, others: dict[str, Any]
) -> None:
    alice, carol, group = others["alice"], new_user("carol"), others["group"]
    port = deployment.ports[0]
    await api(port, "group.invite", {"group": group, "users": [carol.id]}, alice.token)
    assert (await api(port, "group.get", {"group": group}, carol.token)).status == 200
    assert (await api(port, "group.remove", {"group": group, "users": [carol.id]}, alice.token)).status == 200
    for op, data in GROUP_OPS.items():
        filled = {key: [carol.id] for key in data}
        mine = await api(port, op, {**filled, "group": group}, carol.token)
        none = await api(port, op, {**filled, "group": "nonesuch"}, carol.token)
        assert (mine.status, mine.body) == (404, none.body), op
    for op, more in CONVERSATION_OPS.items():
        answer = await api(port, op, {**more, "conversation": f"g:{group}"}, carol.token)
        assert (answer.status, answer.code) == (404, "not_found"), op


async def test_users_who_do_not_exist_are_left_out_or_not_found(
    deployment: Deployment, new_user: NewUser, others: dict[str, Any]
) -> None:
    alice, port = others["alice"], deployment.ports[0]
    found = await api(port, "user.get", {"ids": ["nobody-at-all", alice.id]}, alice.token)
    assert [user["id"] for user in found.data["users"]] == [alice.id]
    for op, data in (
        ("group.create", {"name": "geese", "members": ["nobody-at-all"]}),
        ("group.invite", {"group": others["group"], "users": ["nobody-at-all"]}),
        ("group.remove", {"group": others["group"], "users": ["nobody-at-all"]}),
    ):
        answer = await api(port, op, data, alice.token)
        assert (answer.status, answer.code) == (404, "not_found"), op


async def test_ones_own_notices_are_read_but_never_written(deployment: Deployment, others: dict[str, Any]) -> None:
    alice, port = others["alice"], deployment.ports[0]
    mine = f"s:{alice.id}"
    assert (await api(port, "message.send", {**SEND, "conversation": mine}, alice.token)).code == "forbidden"
    assert (await api(port, "message.history", {"conversation": mine}, alice.token)).data == {
        "messages": [],
        "max_seq": 0,
    }
