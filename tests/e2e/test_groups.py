"""Groups: who may do what, and what members see of it (protocol.md section 5, "Roles")."""

from __future__ import annotations

from typing import Any

import pytest

from tests.deployments import Deployment, User
from tests.e2e.conftest import NewSocket, NewUser
from tests.http_calls import Answer, api


class Group:
    """A group with an owner and two members, and calls upon it over HTTP."""

    def __init__(self, port: int, owner: User, members: list[User]) -> None:
        self.port, self.owner, self.members = port, owner, members
        self.id = ""

    async def create(self, **more: Any) -> dict[str, Any]:
        data = {"name": "geese", "members": [member.id for member in self.members], **more}
        group: dict[str, Any] = (await api(self.port, "group.create", data, self.owner.token)).data["group"]
        self.id = group["id"]
        return group

    async def call(self, user: User, op: str, **data: Any) -> Answer:
        return await api(self.port, op, {"group": self.id, **data}, user.token)

    async def roles(self) -> dict[str, str]:
        reply = (await self.call(self.owner, "group.members")).data
        return {member["user"]: member["role"] for member in reply["members"]}

    async def events(self, user: User) -> list[tuple[str, list[str]]]:
        history = (await api(self.port, "message.history", {"conversation": f"g:{self.id}"}, user.token)).data
        return [(m["body"]["event"], m["body"]["users"]) for m in history["messages"] if m["type"] == "notice"]


@pytest.fixture
def group(deployment: Deployment, new_user: NewUser) -> Group:
    return Group(deployment.ports[0], new_user("owner"), [new_user("member"), new_user("member")])


async def test_create_get_list_and_members(group: Group) -> None:
    made = await group.create(avatar="https://example.com/geese.png", join="open")
    assert made == {
        "id": group.id,
        "name": "geese",
        "owner": group.owner.id,
        "join": "open",
        "members": 3,
        "avatar": "https://example.com/geese.png",
    }
    for user in (group.owner, *group.members):
        assert (await group.call(user, "group.get")).data == {"group": made}
        assert (await api(group.port, "group.list", {}, user.token)).data == {"groups": [made]}
    members = {member.id: "member" for member in group.members}
    assert await group.roles() == {group.owner.id: "owner", **members}
    listed = (await group.call(group.members[0], "group.members")).data["members"]
    assert all(member["joined_seq"] == 1 for member in listed)
    assert await group.events(group.members[0]) == [("created", [group.owner.id, *members])]


async def test_members_are_paged(group: Group) -> None:
    await group.create()
    seen: list[str] = []
    after: dict[str, Any] = {}
    while True:
        reply = (await group.call(group.owner, "group.members", limit=1, **after)).data
        seen += [member["user"] for member in reply["members"]]
        if "next" not in reply:
            break
        after = {"after": reply["next"]}
    assert seen == sorted(user.id for user in (group.owner, *group.members))


async def test_groups_are_paged(group: Group, new_user: NewUser) -> None:
    made = {(await group.create(cid=f"g{number}"))["id"] for number in range(5)}
    first = (await api(group.port, "group.list", {"limit": 3}, group.owner.token)).data
    rest = (await api(group.port, "group.list", {"limit": 3, "after": first["next"]}, group.owner.token)).data
    assert "next" not in rest
    assert [found["id"] for found in first["groups"] + rest["groups"]] == sorted(made)


async def test_a_group_of_one_and_members_named_twice(group: Group) -> None:
    group.members = []
    assert (await group.create())["members"] == 1
    made = (
        await api(group.port, "group.create", {"name": "x", "members": [group.owner.id] * 3}, group.owner.token)
    ).data
    assert made["group"]["members"] == 1


async def test_who_may_invite(group: Group, new_user: NewUser) -> None:
    member, guest = group.members[0], new_user("guest")
    await group.create()
    refused = await group.call(member, "group.invite", users=[guest.id])
    assert (refused.status, refused.code) == (403, "forbidden")
    assert (await group.call(group.owner, "group.invite", users=[guest.id, member.id])).data == {}
    assert (await group.call(guest, "group.get")).data["group"]["members"] == 4
    assert (await group.events(guest)) == [("joined", [guest.id])]
    for join in ("open", "approval"):
        other = new_user("guest")
        await group.create(join=join)
        assert (await group.call(member, "group.invite", users=[other.id])).status == 200
        assert (await group.roles())[other.id] == "member"


async def test_inviting_who_is_there_changes_nothing(group: Group) -> None:
    await group.create()
    assert (await group.call(group.owner, "group.invite", users=[group.members[0].id])).data == {}
    assert [event for event, _ in await group.events(group.owner)] == ["created"]


async def test_who_may_remove(group: Group) -> None:
    member, other = group.members
    await group.create()
    assert (await group.call(member, "group.remove", users=[other.id])).code == "forbidden"
    assert (await group.call(group.owner, "group.remove", users=[group.owner.id])).code == "forbidden"
    assert (await group.call(group.owner, "group.remove", users=[other.id])).data == {}
    assert (await group.call(group.owner, "group.remove", users=[other.id])).code == "not_found"
    assert (await group.call(other, "group.get")).code == "not_found"
    assert (await group.call(member, "group.get")).data["group"]["members"] == 2
    assert (await api(group.port, "group.list", {}, other.token)).data["groups"] == []


async def test_a_member_leaves_and_the_owner_may_not(group: Group) -> None:
    member, other = group.members
    await group.create()
    assert (await group.call(group.owner, "group.leave")).code == "forbidden"
    assert (await group.call(member, "group.leave")).data == {}
    assert (await group.call(member, "group.leave")).code == "not_found"
    assert (await group.events(other))[-1] == ("left", [member.id])
    send = {"conversation": f"g:{group.id}", "cid": "c1", "type": "text", "body": {"text": "still here"}}
    assert (await api(group.port, "message.send", send, member.token)).code == "not_found"
    assert (await api(group.port, "message.send", send, other.token)).status == 200


async def test_each_send_is_wholly_before_or_wholly_after_a_removal(group: Group, new_socket: NewSocket) -> None:
    member = group.members[0]
    await group.create()
    owners, members = await new_socket(group.owner, 0), await new_socket(member, 1)
    for number in range(60):
        data = {"conversation": f"g:{group.id}", "cid": f"c{number}", "type": "text", "body": {"text": str(number)}}
        await members.write_frame("message.send", data, id=str(number))
        if number == 20:
            await owners.write_frame("group.remove", {"group": group.id, "users": [member.id]}, id="remove")
    assert (await owners.answer("remove"))["op"] == "reply"
    answers = [await members.answer(str(number)) for number in range(60)]
    taken = [answer["data"]["seq"] for answer in answers if answer["op"] == "reply"]
    assert {answer["data"]["code"] for answer in answers[len(taken) :]} <= {"not_found"}
    history = await owners.ask("message.history", {"conversation": f"g:{group.id}", "limit": 200})
    messages = history["data"]["messages"]
    assert [m["seq"] for m in messages if m["sender"] == member.id] == taken
    assert messages[-1]["body"].get("event") == "removed"
    assert [m["seq"] for m in messages] == list(range(1, len(taken) + 3))
