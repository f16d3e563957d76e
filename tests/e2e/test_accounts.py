"""Accounts, tokens, and sessions that end: everywhere, within 2 s (protocol.md section 5)."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Callable
from typing import Any

import pytest

from protocol.clock import now_ms
from tests.client import Socket
from tests.deployments import Deployment, User
from tests.e2e.conftest import NewSocket, NewUser
from tests.http_calls import Answer, api

PASSWORD = "correct horse battery"
ENDS_WITHIN_S = 2.0

_names = itertools.count(1)


@pytest.fixture
def port(deployment: Deployment) -> int:
    return deployment.ports[0]


@pytest.fixture
async def account(port: int) -> dict[str, Any]:
    """A registered account: username, and what register replied."""
    username = f"姓名-{next(_names)}"
    made = await api(port, "account.register", {"username": username, "password": PASSWORD, "name": "Ann"})
    return {"username": username, **made.data}


async def log_in(port: int, account: dict[str, Any], password: str = PASSWORD, **more: Any) -> Answer:
    return await api(port, "account.login", {"username": account["username"], "password": password, **more})


def user_of(logged_in: dict[str, Any]) -> User:
    """Of what register or login replied."""
    return User(logged_in["user"]["id"], logged_in["token"])


async def stands(port: int, token: str) -> bool:
    answer = await api(port, "conversation.list", {}, token)
    assert answer.status == 200 or answer.code == "unauthenticated", answer.body
    return answer.status == 200


async def test_register_and_log_in(port: int, door: str, account: dict[str, Any], deployment: Deployment) -> None:
    assert account["user"]["name"] == "Ann"
    assert account["expires"] > time.time() * 1000
    again = (await log_in(port, account, terminal="app", device="d1")).data
    assert again["user"] == account["user"]
    assert again["token"] != account["token"]
    for token in (account["token"], again["token"]):
        async with await Socket.open(deployment.urls(door)[1]) as socket:
            assert (await socket.login(token))["data"]["user"]["id"] == account["user"]["id"]


async def test_register_over_a_connection_that_is_logged_in(
    new_user: NewUser, new_socket: NewSocket, port: int
) -> None:
    socket = await new_socket(new_user("alice"))
    made = await socket.ask("account.register", {"username": f"bot-{next(_names)}", "password": PASSWORD})
    assert await stands(port, made["data"]["token"])


async def test_a_name_that_is_taken_and_names_that_cannot_be(port: int, account: dict[str, Any]) -> None:
    taken = await api(port, "account.register", {"username": account["username"], "password": "another password"})
    assert (taken.status, taken.code) == (409, "conflict")
    for username in ("_system", "", "with space", "x" * 65, "tab\there", 7):
        refused = await api(port, "account.register", {"username": username, "password": PASSWORD})
        assert (refused.status, refused.code) == (400, "bad_field"), username
    for password in ("short", "x" * 129, None, 7, {"$ne": ""}):
        data = {"username": f"new-{next(_names)}", "password": password}
        assert (await api(port, "account.register", data)).code == "bad_field", password


async def test_register_retried_is_the_same_account(port: int) -> None:
    data = {"username": f"retry-{next(_names)}", "password": PASSWORD, "cid": "r1"}
    first, again = await api(port, "account.register", data), await api(port, "account.register", data)
    assert again.data["user"] == first.data["user"]
    assert await stands(port, again.data["token"])
    assert (await api(port, "account.register", {**data, "cid": "r2"})).code == "conflict"
    assert (await api(port, "account.register", {**data, "password": "another password"})).code == "conflict"


async def test_a_wrong_password_and_a_wrong_name_look_the_same(port: int, account: dict[str, Any]) -> None:
    wrong = await log_in(port, account, "wrong password")
    nobody = await api(port, "account.login", {"username": "nobody-at-all", "password": "wrong password"})
    assert wrong.status == 401
    assert (wrong.status, wrong.body) == (nobody.status, nobody.body)


async def test_a_refresh_from_two_tabs_at_once_and_after_a_lost_answer_goes_on(
    port: int, account: dict[str, Any]
) -> None:
    """Without a cid: each use of a refresh token gives the same successor, also for a while after that was used."""
    shown = {"refresh": account["refresh"]}
    tabs = await asyncio.gather(*(api(port, "token.refresh", shown) for _ in range(4)))
    assert [tab.status for tab in tabs] == [200] * 4
    (successor,) = {tab.data["refresh"] for tab in tabs}
    assert successor != account["refresh"]
    assert all([await stands(port, tab.data["token"]) for tab in tabs])
    further = (await api(port, "token.refresh", {"refresh": successor})).data
    assert (await api(port, "token.refresh", {**shown, "cid": "f1"})).data["refresh"] == successor
    assert await stands(port, further["token"])
    refused = await api(port, "token.refresh", {"refresh": "rubbish"})
    assert (refused.status, refused.code) == (401, "unauthenticated")


async def test_a_revoked_session_does_not_live_again_by_a_retry_of_its_login(
    port: int, account: dict[str, Any]
) -> None:
    login = {"cid": "l1", "device": "phone"}
    first = (await log_in(port, account, **login)).data
    assert (await log_in(port, account, **login)).data == first
    assert (await api(port, "account.logout", {"all": True}, account["token"])).status == 200
    for other in (login, {**login, "device": "another"}):
        assert (await log_in(port, account, **other)).code == "conflict"
    assert not await stands(port, first["token"])


async def ends(socket: Socket) -> None:
    """The connection is told that it was logged out, and closed."""
    code, frames = await socket.closed(ENDS_WITHIN_S)
    assert code == 4006
    assert socket.close_reason == "logged_out"
    assert [(frame["op"], frame["data"]) for frame in socket.others + frames] == [("kicked", {"reason": "logged_out"})]


async def test_a_refresh_token_that_is_used_too_late_ends_its_session_everywhere(
    deployment: Deployment, port: int, new_socket: NewSocket, account: dict[str, Any]
) -> None:
    there = await new_socket(user_of(account), 1, device="a")
    successor = (await api(port, "token.refresh", {"refresh": account["refresh"]})).data["refresh"]
    newest = (await api(port, "token.refresh", {"refresh": successor})).data
    with deployment.database.transaction() as tx:  # a minute later
        past = "UPDATE sessions SET rotated = '[2,1]' WHERE user = %s"
        assert tx.execute(past, (account["user"]["id"],)) == 1
    late = await api(port, "token.refresh", {"refresh": account["refresh"]})
    assert (late.status, late.code) == (401, "unauthenticated")
    await ends(there)
    assert not await stands(port, newest["token"])
    assert (await api(port, "token.refresh", {"refresh": newest["refresh"]})).code == "unauthenticated"


async def test_logout_ends_this_session_on_every_gateway_and_no_other(
    deployment: Deployment, door: str, port: int, new_socket: NewSocket, account: dict[str, Any]
) -> None:
    other = (await log_in(port, account)).data
    here = await new_socket(user_of(account), 0, device="a")
    there = await new_socket(user_of(account), 1, terminal="pc", device="b")
    kept = await new_socket(user_of(other), 1, terminal="app", device="c")
    for each in deployment.ports:
        assert await stands(each, account["token"])
    assert (await api(port, "account.logout", {}, account["token"])).data == {}
    await ends(here)
    await ends(there)
    for each in deployment.ports:
        assert not await stands(each, account["token"])
        assert await stands(each, other["token"])
    assert (await kept.ask("user.get", {"ids": ["x"]}))["op"] == "reply"
    async with await Socket.open(deployment.url(door)) as socket:
        assert (await socket.login(account["token"]))["data"]["code"] == "unauthenticated"
        assert (await socket.closed())[0] == 4004
    assert (await api(port, "token.refresh", {"refresh": account["refresh"]})).code == "unauthenticated"


async def test_logout_of_all_over_a_connection_ends_that_too(
    port: int, new_socket: NewSocket, account: dict[str, Any]
) -> None:
    other = (await log_in(port, account)).data
    here = await new_socket(user_of(account), 0, device="a")
    there = await new_socket(user_of(other), 1, terminal="pc", device="b")
    await here.write_frame("account.logout", {"all": True}, id="1")
    assert await here.answer("1") == {"op": "reply", "id": "1", "data": {}}
    await ends(here)
    await ends(there)
    assert (await log_in(port, account)).status == 200


async def test_a_new_password_ends_all_other_sessions(
    deployment: Deployment, port: int, new_socket: NewSocket, account: dict[str, Any]
) -> None:
    other = (await log_in(port, account)).data
    change = {"old": PASSWORD, "new": "new horse battery", "cid": "p1"}
    here = await new_socket(user_of(account), 0, device="a")
    there = await new_socket(user_of(other), 1, terminal="pc", device="b")
    assert await stands(deployment.ports[-1], other["token"])
    refused = await here.ask("account.password", {**change, "old": "wrong password", "cid": "p0"})
    assert refused["data"]["code"] == "forbidden"
    for _ in range(2):
        assert (await here.ask("account.password", change))["op"] == "reply"
    await ends(there)
    assert not await stands(deployment.ports[-1], other["token"])
    assert await stands(port, account["token"])
    conflict = await here.ask("account.password", {**change, "new": "third horse battery"})
    assert conflict["data"]["code"] == "conflict"
    assert (await log_in(port, account)).code == "unauthenticated"
    assert (await log_in(port, account, change["new"])).status == 200


async def test_a_password_in_two_compositions_is_one(port: int, account: dict[str, Any]) -> None:
    name = f"accents-{next(_names)}"
    made = await api(port, "account.register", {"username": name, "password": "caf\u00e9 caf\u00e9"})
    assert made.status == 200
    assert (await log_in(port, {"username": name}, "cafe\u0301 cafe\u0301")).status == 200


async def test_no_secret_is_in_the_logs(deployment: Deployment, port: int, account: dict[str, Any]) -> None:
    await api(port, "user.update", {"bio": "a body that is nobody's business"}, account["token"])
    logs = deployment.logs()
    for secret in (
        PASSWORD,
        account["token"],
        account["refresh"],
        deployment.settings.token.secret,
        "nobody's business",
    ):
        assert secret not in logs


async def test_guesses_at_a_password_are_limited_and_a_device_that_is_known_is_let_in(
    port: int, account: dict[str, Any]
) -> None:
    """Over whichever gateway and worker: they count together."""
    device = "a device that nobody guesses"
    assert (await log_in(port, account, device=device)).status == 200
    for _ in range(20):
        refused = await log_in(port, account, "a wrong guess")
        if refused.status != 401:
            break
    assert (refused.status, refused.code) == (429, "rate_limited")
    error = refused.json["error"]
    assert error["retry"] and 1 <= error["retry_after"] <= 900
    assert refused.headers["retry-after"] == str(error["retry_after"])
    assert (await log_in(port, account, device=device)).status == 200


@pytest.mark.parametrize("alike", [str.upper, lambda name: name.replace("-", "\uff0d"), lambda name: f"{name}\u200b"])
async def test_a_name_that_looks_like_another_is_no_second_account(port: int, alike: Callable[[str], str]) -> None:
    username = f"Café-{next(_names)}"
    made = await api(port, "account.register", {"username": username, "password": PASSWORD})
    again = await api(port, "account.register", {"username": alike(username), "password": "another one"})
    assert again.code in ("conflict", "bad_field")
    logged_in = await api(port, "account.login", {"username": alike(username), "password": PASSWORD})
    assert logged_in.data["user"] == made.data["user"] == {"id": made.data["user"]["id"], "name": username}


async def test_a_connection_ends_when_its_session_expires_unless_it_was_refreshed(
    deployment: Deployment, port: int, new_socket: NewSocket, account: dict[str, Any]
) -> None:
    """Over every door: told why, then closed with 4006."""
    other = (await log_in(port, account)).data
    ends = now_ms() + 4000
    with deployment.database.transaction() as tx:
        tx.execute("UPDATE sessions SET expires = %s WHERE user = %s", (ends, account["user"]["id"]))
    over = await new_socket(user_of(account), 0, device="a")
    kept = await new_socket(user_of(other), 1, terminal="pc", device="b")
    assert (await api(port, "token.refresh", {"refresh": other["refresh"]})).status == 200
    code, frames = await over.closed(within_s=15)
    assert (code, over.close_reason) == (4006, "expired")
    assert [(f["op"], f["data"]) for f in over.others + frames] == [("kicked", {"reason": "expired"})]
    assert now_ms() >= ends
    await asyncio.sleep(1)
    assert (await kept.ask("user.get", {"ids": ["x"]}))["op"] == "reply"
    assert not await stands(port, account["token"])
    assert await stands(port, other["token"])
