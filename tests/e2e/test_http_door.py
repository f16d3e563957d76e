"""`POST /api/<op>` and what operations ask: statuses, bodies, headers (protocol.md sections 3 and 4)."""

from __future__ import annotations

import asyncio
import re

import pytest

from protocol.ids import private_conversation
from tests.deployments import Deployment
from tests.e2e.conftest import NewClient, NewUser
from tests.http_calls import Answer, api, get, request

ERROR_FIELDS = {"code", "message", "retry"}


def assert_error(answer: Answer, status: int, code: str) -> None:
    assert (answer.status, answer.code) == (status, code), answer.body
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.headers["cache-control"] == "no-store"
    assert re.fullmatch(r"[A-Za-z0-9-]{8,64}", answer.headers["x-request-id"])
    error = answer.json["error"]
    assert error.keys() >= ERROR_FIELDS
    assert error["retry"] is False
    assert "Traceback" not in error["message"]


async def test_a_message_sent_over_http_reaches_a_socket(
    deployment: Deployment, new_user: NewUser, new_client: NewClient
) -> None:
    alice, bob = new_user("alice"), new_user("bob")
    conversation = private_conversation(alice.id, bob.id)
    at_bob, at_alice = await new_client(bob, 1), await new_client(alice, 1)
    data = {"conversation": conversation, "cid": "h1", "type": "text", "body": {"text": "over http"}}
    sent = await api(deployment.ports[0], "message.send", data, alice.token)
    assert sent.status == 200
    assert sent.headers["content-type"].startswith("application/json")
    assert sent.headers["cache-control"] == "no-store"
    assert sent.json == {
        "data": {"conversation": conversation, "seq": 1, "time": sent.data["time"], "duplicate": False}
    }
    await at_bob.texts(conversation, "over http")
    await at_alice.texts(conversation, "over http")
    again = await api(deployment.ports[-1], "message.send", data, alice.token)
    assert again.data == {**sent.data, "duplicate": True}
    other = await api(deployment.ports[-1], "message.send", {**data, "body": {"text": "x"}}, alice.token)
    assert_error(other, 409, "conflict")


async def test_no_or_a_wrong_token_is_401(deployment: Deployment, new_user: NewUser) -> None:
    port, alice = deployment.ports[0], new_user("alice")
    bodies = set()
    for header in (None, "", "Bearer", "Bearer ", "Bearer rubbish", f"Basic {alice.token}", alice.token):
        headers = {"Authorization": header} if header is not None else {}
        answer = await asyncio.to_thread(request, port, "POST", "/api/conversation.list", b"{}", headers)
        assert_error(answer, 401, "unauthenticated")
        bodies.add(answer.body)
    assert len(bodies) == 1
    headers = {"Authorization": f"bearer {alice.token}"}
    assert (await asyncio.to_thread(request, port, "POST", "/api/conversation.list", b"", headers)).status == 200


@pytest.mark.parametrize(
    ("op", "status", "code"),
    [
        ("no.such.op", 400, "unknown_op"),
        ("session.open", 400, "unknown_op"),
        ("session.refresh", 400, "unknown_op"),
        ("login", 400, "unknown_op"),
        ("heartbeat", 400, "unknown_op"),
    ],
)
async def test_what_is_not_for_http(deployment: Deployment, new_user: NewUser, op: str, status: int, code: str) -> None:
    assert_error(await api(deployment.ports[0], op, {}, new_user("alice").token), status, code)


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/api/user.get", 405, "bad_frame"),
        ("PUT", "/api/user.get", 405, "bad_frame"),
        ("GET", "/", 404, "not_found"),
        ("POST", "/", 404, "not_found"),
        ("GET", "/api/", 404, "not_found"),
        ("POST", "/api/../metrics", 404, "not_found"),
        ("POST", "/api/" + "a" * 65, 404, "not_found"),
        ("GET", "/no/such/page", 404, "not_found"),
    ],
)
async def test_addresses_that_do_not_do_that(
    deployment: Deployment, method: str, path: str, status: int, code: str
) -> None:
    answer = await asyncio.to_thread(request, deployment.ports[0], method, path, b"")
    assert_error(answer, status, code)


async def test_methods_that_nobody_knows(deployment: Deployment) -> None:
    for method in ("TRACE", "BREW"):
        assert (await asyncio.to_thread(request, deployment.ports[0], method, "/api/user.get")).status == 405


async def test_a_web_socket_address_without_upgrade_is_400(deployment: Deployment) -> None:
    assert (await get(deployment.ports[0], "/ws")).status == 400


@pytest.mark.direct("nginx hides these")
async def test_healthz_and_readyz_on_every_gateway(deployment: Deployment) -> None:
    for number, port in enumerate(deployment.gateway_ports, 1):
        assert (await get(port, "/healthz")).json == {"name": f"g{number}", "ok": True}
        ready = await get(port, "/readyz")
        assert (ready.status, ready.json) == (
            200,
            dict.fromkeys(("bus", "router", "store", "ordered", "parallel", "accepting", "tasks"), True),
        )


async def test_metrics_count_what_happens(
    deployment: Deployment, door: str, new_user: NewUser, new_client: NewClient
) -> None:
    connections = f'hongyan_connections{{door="{door}"}}'
    before = await asyncio.to_thread(deployment.count, connections)
    await new_client(new_user("alice"), 0)
    assert await asyncio.to_thread(deployment.count, connections) == before + 1
    answer = await get(deployment.gateway_ports[0], "/metrics")
    assert answer.headers["content-type"].startswith("text/plain")


async def test_fields_are_named_in_a_refusal(deployment: Deployment, new_user: NewUser) -> None:
    answer = await api(
        deployment.ports[0], "message.read", {"conversation": "p:a:b", "seq": "1"}, new_user("alice").token
    )
    assert_error(answer, 400, "bad_field")
    assert answer.json["error"]["field"] == "seq"
    assert "seq" in answer.json["error"]["message"]
