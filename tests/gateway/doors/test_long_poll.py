"""The long-poll door of a gateway that runs: cursors, sends, ends and limits, over real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from hongyan.http import HttpClient, Response
from msgspec import Raw

from gateway.metrics import CONNECTIONS
from protocol.errors import HTTP_STATUS, ImError, busy, unauthenticated
from protocol.frames import MAX_SERVER_FRAME_BYTES
from protocol.models import Push, Revocation
from tests.gateway.conftest import NewSite
from tests.gateway.site import Site, until
from tests.http_calls import Answer, request

WAIT_S = 15.0
LOGIN = {"terminal": "web", "device": "d1", "client": "test/1"}
JSON = {"Content-Type": "application/json"}
SYNC = {"op": "sync", "id": "1", "data": {"cursors": {}}}


def connections() -> float:
    """How many sessions there are."""
    return CONNECTIONS.labels("poll")._value.get()


async def post(site: Site, path: str, body: Any, headers: dict[str, str] | None = None) -> Answer:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return await asyncio.to_thread(request, site.port, "POST", path, raw, JSON if headers is None else headers)


class Poller:
    """One session. `cursor` is that of the last answer."""

    def __init__(self, site: Site, session: str) -> None:
        self.site = site
        self.session = session
        self.cursor = 0
        self.http = HttpClient("127.0.0.1", site.port, WAIT_S)

    async def get(self, query: str) -> Response:
        return await asyncio.wait_for(self.http.request("GET", f"/poll/recv?{query}"), WAIT_S)

    async def poll(self, cursor: int | str | None = None) -> Response:
        """One poll, with the cursor of the last answer unless another is given."""
        return await self.get(f"session={self.session}&cursor={self.cursor if cursor is None else cursor}")

    async def frames(self) -> list[dict[str, Any]]:
        """The frames of one poll, acknowledged by the next."""
        answer = await self.poll()
        assert answer.status == 200, answer
        value = json.loads(answer.body)
        self.cursor = value["cursor"]
        return list(value["frames"])

    async def send(self, body: Any, headers: dict[str, str] | None = None) -> Answer:
        return await post(self.site, f"/poll/send?session={self.session}", body, headers)

    async def parked(self) -> asyncio.Task[Response]:
        """A poll that waits."""
        task = asyncio.create_task(self.poll())
        await until(lambda: self.site.polls.find(self.session).wire.is_waited_on)
        return task


Opener = Callable[..., Awaitable[Poller]]


@pytest.fixture
async def opened() -> AsyncIterator[Opener]:
    """`await opened(site, "ann")` -> a session of ann's."""
    pollers: list[Poller] = []

    async def made(site: Site, user: str = "ann") -> Poller:
        answer = await post(site, "/poll/open", {**LOGIN, "token": site.token(user)})
        assert answer.status == 200, answer
        pollers.append(Poller(site, answer.json["session"]))
        return pollers[-1]

    yield made
    for poller in pollers:
        await poller.http.close()
        poller.site.polls.close(poller.session)


def message(user: str, text: str = "hello") -> Push:
    frame = json.dumps({"op": "message", "data": {"text": text}}, separators=(",", ":")).encode()
    return Push(Raw(frame), users=[user])


def error_of(answer: Answer | Response) -> dict[str, Any]:
    error: dict[str, Any] = json.loads(answer.body)["error"]
    return error


async def test_a_login_opens_a_session_of_this_gateway(site: Site) -> None:
    answer = await post(site, "/poll/open", {**LOGIN, "token": site.token("ann")})
    assert answer.status == 200
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["content-type"].startswith("application/json")
    assert answer.json["cursor"] == 0
    gateway, _, rest = answer.json["session"].rpartition(".")
    assert gateway == "g1" and len(rest) >= 20
    data = answer.json["data"]
    assert (data["user"], data["session"], data["heartbeat"]) == ({"id": "ann", "name": "ann"}, "s-ann", 30)
    assert site.router.resolve(["ann"], [])[0]["ann"] == [site.address]


@pytest.mark.parametrize("code", ["unauthenticated", "busy", "timeout", "internal"])
async def test_a_refused_login_has_the_status_of_its_code_and_leaves_nothing(site: Site, code: str) -> None:
    site.worker.refusals["session.open"] = ImError(code, "words", trace="t")
    answer = await post(site, "/poll/open", {**LOGIN, "token": site.token("ann")})
    assert (answer.status, answer.code) == (HTTP_STATUS[code], code)
    assert answer.json["error"]["trace"] == "t"
    assert connections() == 0


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", JSON, 400, "bad_field"),
        (b"not json", JSON, 400, "bad_frame"),
        (b"[]", JSON, 400, "bad_frame"),
        (b"\xff", JSON, 400, "bad_frame"),
        (b'{"token":"x","terminal":"fridge"}', JSON, 400, "bad_field"),
        (b'{"token":"x","terminal":"web"}', JSON, 401, "unauthenticated"),
        (b'{"x":"' + b"x" * 65_536 + b'"}', JSON, 413, "too_large"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "bad_frame"),
        (b"{}", {}, 415, "bad_frame"),
    ],
)
async def test_what_is_no_login(site: Site, body: bytes, headers: dict[str, str], status: int, code: str) -> None:
    answer = await post(site, "/poll/open", body, headers)
    assert (answer.status, answer.code) == (status, code)
    assert site.worker.count("session.open") == 0
    assert connections() == 0


async def test_a_full_gateway_says_so(new_site: NewSite, opened: Opener) -> None:
    site = await new_site(max_connections=1)
    await opened(site)
    answer = await post(site, "/poll/open", {**LOGIN, "token": site.token("bob")})
    assert (answer.status, answer.code) == (503, "busy")
    assert 1 <= int(answer.headers["retry-after"]) <= 5  # not all at once


async def test_pushes_come_in_order_and_again_until_acknowledged(site: Site, opened: Opener) -> None:
    ann = await opened(site)
    for text in ("one", "two"):
        site.push(message("ann", text))
    await until(lambda: site.polls.find(ann.session).wire.queued_bytes > 80)
    first = await ann.poll()
    value = json.loads(first.body)
    assert [frame["data"]["text"] for frame in value["frames"]] == ["one", "two"]
    site.push(message("ann", "three"))
    assert (await ann.poll()).body == first.body
    for wrong in (1, 3, 10**14):
        answer = await ann.poll(wrong)
        assert (answer.status, error_of(answer)["code"], error_of(answer)["field"]) == (400, "bad_field", "cursor")
    ann.cursor = value["cursor"]
    assert [frame["data"]["text"] for frame in await ann.frames()] == ["three"]


async def test_a_poll_that_waits_gets_what_comes(site: Site, opened: Opener) -> None:
    ann = await opened(site)
    waiting = await ann.parked()
    site.push(message("ann"))
    answer = await waiting
    assert json.loads(answer.body) == {"cursor": 1, "frames": [{"op": "message", "data": {"text": "hello"}}]}


@pytest.mark.slow
async def test_where_nothing_comes_the_answer_is_empty_and_the_session_lives(new_site: NewSite, opened: Opener) -> None:
    site = await new_site(poll_wait_s=1.5, poll_idle_s=0.7, heartbeat_s=1)
    ann = await opened(site)
    for _ in range(3):  # for longer than three silent heartbeats
        answer = await ann.poll()
        assert answer.body == b'{"cursor":0,"frames":[]}'


async def test_a_newer_poll_ends_the_older_and_gets_the_frames(site: Site, opened: Opener) -> None:
    ann, again = await opened(site), Poller(site, "")
    again.session = ann.session
    older = await ann.parked()
    refused = await again.poll(7)
    assert refused.status == 400 and not older.done(), "a wrong poll takes nothing over"
    newer = asyncio.create_task(again.poll())
    answer = await older
    assert (answer.status, error_of(answer)["code"]) == (409, "superseded")
    site.push(message("ann"))
    assert len(json.loads((await newer).body)["frames"]) == 1


async def test_who_goes_while_waiting_loses_nothing(site: Site, opened: Opener) -> None:
    ann = await opened(site)
    waiting = await ann.parked()
    waiting.cancel()
    await until(lambda: not site.polls.find(ann.session).wire.is_waited_on)
    site.push(message("ann"))
    assert [frame["data"]["text"] for frame in await ann.frames()] == ["hello"]


async def test_more_than_an_answer_holds_comes_in_several(site: Site, opened: Opener) -> None:
    ann = await opened(site)
    texts = [f"{number}" + "x" * 30_000 for number in range(8)]
    site.push(*(message("ann", text) for text in texts))
    await until(lambda: site.polls.find(ann.session).wire.queued_bytes > 240_000)
    seen: list[str] = []
    while len(seen) < len(texts):
        answer = await ann.poll()
        assert len(answer.body) <= MAX_SERVER_FRAME_BYTES
        value = json.loads(answer.body)
        seen += [frame["data"]["text"] for frame in value["frames"]]
        ann.cursor = value["cursor"]
    assert seen == texts


async def test_a_session_that_collects_nothing_of_too_much_is_gone(new_site: NewSite, opened: Opener) -> None:
    site = await new_site(slow_s=1)
    ann, bob = await opened(site), await opened(site, "bob")
    site.push(*(message("ann", "x" * 30_000) for _ in range(9)), message("bob"))
    assert len(await bob.frames()) == 1
    await until(lambda: connections() == 1)
    for _ in range(2):
        answer = await ann.poll()
        assert answer.status == 410
        error = error_of(answer)
        assert (error["code"], error["close"], error["reason"]) == ("session_gone", 4010, "slow_consumer")
    assert (await ann.send(SYNC)).status == 410


async def test_a_session_that_collects_is_not_gone_for_what_it_was_sent_at_once(
    new_site: NewSite, opened: Opener
) -> None:
    site = await new_site(slow_s=1)
    ann = await opened(site)
    site.push(*(message("ann", f"{number} " + "x" * 60_000) for number in range(14)))
    wire = site.polls.find(ann.session).wire
    await until(lambda: wire.queued_bytes > 14 * 60_000)
    seen: list[str] = []
    while len(seen) < 14:
        await asyncio.sleep(0.4)  # a slow network: 14 frames come in seven answers, in three times as long as slow_s
        seen += [frame["data"]["text"].split()[0] for frame in await ann.frames()]
    assert seen == [str(number) for number in range(14)]
    assert (await ann.send(SYNC)).status == 200


async def test_what_was_pushed_before_the_end_is_fetched_before_the_410(site: Site, opened: Opener) -> None:
    ann = await opened(site)
    site.push(message("ann"), Revocation(["s-ann"], "logged_out"))
    await until(lambda: connections() == 0)
    assert (await ann.send(SYNC)).status == 410
    assert [frame["op"] for frame in await ann.frames()] == ["message", "kicked"]
    assert json.loads((await ann.poll(0)).body)["frames"][-1]["data"] == {"reason": "logged_out"}
    for _ in range(2):
        error = error_of(await ann.poll())
        assert (error["code"], error["close"], error["reason"]) == ("session_gone", 4006, "logged_out")


async def test_who_waits_is_told_the_end_at_once(site: Site, opened: Opener) -> None:
    ann = await opened(site)
    waiting = await ann.parked()
    site.push(Revocation(["s-ann"], "logged_out"))
    assert [frame["op"] for frame in json.loads((await waiting).body)["frames"]] == ["kicked"]


async def test_a_session_that_nobody_polls_is_gone(new_site: NewSite, opened: Opener) -> None:
    site = await new_site(poll_idle_s=0.3)
    ann = await opened(site)
    assert connections() == 1
    await until(lambda: connections() == 0)
    answer = await ann.poll()
    assert (answer.status, error_of(answer)["code"]) == (410, "session_gone")
    assert site.router.resolve(["ann"], [])[0].get("ann", []) == []


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ("", 400, "session"),
        ("session=g1.nobody&cursor=0", 410, None),
        ("session=SESSION", 400, "cursor"),
        ("session=SESSION&cursor=", 400, "cursor"),
        ("session=SESSION&cursor=-1", 400, "cursor"),
        ("session=SESSION&cursor=x", 400, "cursor"),
        ("session=SESSION&cursor=1e3", 400, "cursor"),
        ("session=SESSION&cursor=9223372036854775807", 400, "cursor"),
        ("session=SESSION&cursor=%D9%A0", 400, "cursor"),
        ("session=%FF&cursor=0", 400, None),
    ],
)
async def test_what_is_no_poll(site: Site, opened: Opener, query: str, status: int, field: str | None) -> None:
    ann = await opened(site)
    if not query:
        ann.cursor = 0
        query = "cursor=0"
    answer = await ann.get(query.replace("SESSION", ann.session))
    assert (answer.status, error_of(answer).get("field")) == (status, field)


async def test_frames_are_answered_in_their_order(site: Site, opened: Opener) -> None:
    ann = await opened(site)
    one = await ann.send({"op": "sync", "id": "a", "data": {"cursors": {}}})
    assert one.json == {"frames": [{"op": "reply", "id": "a", "data": {"asked": {"cursors": {}}}}]}
    assert one.headers["cache-control"] == "no-store"
    command = site.worker.seen[-1]
    assert (command.sender.user, command.session, command.trace) == ("ann", "s-ann", "")
    answer = await ann.send(
        [
            {"op": "user.get", "id": "7", "data": {"ids": ["ann"]}},
            {"op": "sync", "data": {"cursors": {}}},
            {"op": "no.such", "id": "8"},
            {"op": "sync", "id": "7", "data": {"cursors": []}},
            {"op": "login", "id": "9", "data": {}},
            {"op": "sync", "id": "10", "data": {"cursors": {}}},
        ]
    )
    frames = [(f["op"], f["id"], f["data"].get("code")) for f in answer.json["frames"]]
    assert frames == [
        ("reply", "7", None),
        ("error", "8", "unknown_op"),
        ("error", "7", "bad_field"),
        ("error", "9", "bad_field"),
        ("reply", "10", None),
    ]
    assert (await ann.send([])).json == {"frames": []}


async def test_what_answers_no_id_comes_by_the_poll(site: Site, opened: Opener) -> None:
    ann = await opened(site)
    assert (await ann.send([{"op": "heartbeat"}, 7, {"op": "no.such"}])).json == {"frames": []}
    frames = await ann.frames()
    assert [(frame["op"], frame["data"].get("code")) for frame in frames] == [
        ("heartbeat", None),
        ("error", "bad_frame"),
        ("error", "unknown_op"),
    ]


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"", JSON, 400, "bad_frame"),
        (b"not json", JSON, 400, "bad_frame"),
        (b"[{}", JSON, 400, "bad_frame"),
        (b"[" * 30_000, JSON, 400, "bad_frame"),
        (b"[" * 70_000, JSON, 413, "too_large"),
        (b'{"op":"x","id":7}', JSON, 400, "bad_field"),
        (b'{"op":"no.such"}', JSON, 400, "unknown_op"),
        (b"\xff", JSON, 400, "bad_frame"),
        (b'[{"a":"\xff"}]', JSON, 400, "bad_frame"),
        (b"[" + b",".join([b"{}"] * 51) + b"]", JSON, 413, "too_large"),
        (b'{"op":"sync","x":"' + b"x" * 65_536 + b'"}', JSON, 413, "too_large"),
        (b'[{"op":"sync","x":"' + b"x" * 65_536 + b'"}]', JSON, 413, "too_large"),
        (b"[" + b" " * 1024 * 1024 + b"]", JSON, 413, "too_large"),
        (b"{}", {"Content-Type": "text/plain"}, 415, "bad_frame"),
        (b"{}", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "bad_frame"),
    ],
    ids=range(15),
)
async def test_what_is_no_send_is_refused_and_the_session_stays(
    site: Site, opened: Opener, body: bytes, headers: dict[str, str], status: int, code: str
) -> None:
    ann = await opened(site)
    answer = await ann.send(body, headers)
    assert (answer.status, answer.code) == (status, code)
    after = await ann.send(
        {"op": "sync", "id": "1", "data": {"cursors": {}}}, {"Content-Type": "Application/JSON; x=1"}
    )
    assert after.json["frames"][0]["op"] == "reply"


async def test_the_third_bad_frame_ends_the_session(site: Site, opened: Opener) -> None:
    ann = await opened(site)
    for _ in range(3):
        assert (await ann.send(b"rubbish")).status == 400
    assert (await ann.send(SYNC)).status == 410
    error = error_of(await ann.poll())
    assert (error["close"], error["reason"]) == (4002, "bad_frames")


async def test_frames_behind_the_one_that_ended_the_session_have_no_effect(site: Site, opened: Opener) -> None:
    ann = await opened(site)
    answer = await ann.send([SYNC, 1, 2, 3, {**SYNC, "id": "2"}])
    assert [frame["id"] for frame in answer.json["frames"]] == ["1"]
    assert site.worker.count("sync") == 1


async def test_no_answer_in_time_is_a_timeout_of_that_frame(new_site: NewSite, opened: Opener) -> None:
    site = await new_site(request_timeout_s=0.3)
    ann = await opened(site)
    site.worker.silent.add("sync")
    answer = await ann.send([SYNC, {"op": "user.get", "id": "2", "data": {"ids": ["a"]}}])
    assert [(f["id"], f["data"].get("code")) for f in answer.json["frames"]] == [("1", "timeout"), ("2", None)]


async def test_answers_beyond_128_KiB_come_by_the_poll(site: Site, opened: Opener) -> None:
    ann = await opened(site)
    long = "x" * 60_000
    frames = [{"op": "sync", "id": str(n), "data": {"cursors": {}, "after": long}} for n in range(4)]
    answer = await ann.send(frames)
    assert len(answer.body) <= MAX_SERVER_FRAME_BYTES
    got = [frame["id"] for frame in answer.json["frames"]]
    while len(got) < 4:
        got += [frame["id"] for frame in await ann.frames()]
    assert got == ["0", "1", "2", "3"]


async def test_a_session_is_closed_by_its_client(site: Site, opened: Opener) -> None:
    ann = await opened(site)
    waiting = await ann.parked()
    answer = await post(site, f"/poll/close?session={ann.session}", b"", {})
    assert (answer.status, answer.json) == (200, {})
    assert (await waiting).status == 410
    for path in ("send", "close"):
        again = await post(site, f"/poll/{path}?session={ann.session}", SYNC)
        assert (again.status, again.code) == (410, "session_gone")
    assert connections() == 0


@pytest.mark.parametrize(("method", "path"), [("GET", "open"), ("POST", "recv"), ("GET", "send"), ("PUT", "close")])
async def test_other_methods_are_refused(site: Site, method: str, path: str) -> None:
    answer = await asyncio.to_thread(request, site.port, method, f"/poll/{path}", b"")
    assert (answer.status, answer.code) == (405, "bad_frame")


async def test_who_goes_before_the_login_is_answered_leaves_nothing(site: Site) -> None:
    site.worker.silent.add("session.open")
    reader, writer = await asyncio.open_connection("127.0.0.1", site.port)
    body = json.dumps({**LOGIN, "token": site.token("ann")}).encode()
    head = (
        f"POST /poll/open HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    writer.write(head.encode() + body)
    await until(lambda: site.worker.count("session.open") == 1)
    assert connections() == 1
    writer.close()
    await until(lambda: connections() == 0)
    site.worker.silent.clear()
    site.push(site.worker.answer(site.worker.seen[-1]))  # too late
    await site.login("bob")
    assert connections() == 0
    assert site.router.resolve(["ann"], [])[0].get("ann", []) == []
    assert reader is not None


async def test_an_orderly_stop_is_told_to_who_waits_and_to_who_comes(new_site: NewSite, opened: Opener) -> None:
    site = await new_site()
    ann, bob = await opened(site), await opened(site, "bob")
    site.push(message("bob"))
    assert len(await bob.frames()) == 1
    waiting = await ann.parked()
    stopping = asyncio.create_task(site.gateway.stop())
    value = json.loads((await waiting).body)
    ann.cursor = value["cursor"]
    assert [frame["op"] for frame in value["frames"]] == ["reconnect"]
    assert [frame["op"] for frame in await bob.frames()] == ["reconnect"]
    await asyncio.sleep(0.2)  # a client or a network that takes its time
    assert not stopping.done()
    for poller in (ann, bob):
        answer = await poller.poll()
        assert (answer.status, error_of(answer)["close"]) == (410, 1012)
    await stopping


async def test_tokens_and_busy_mean_what_they_mean_everywhere(site: Site, opened: Opener) -> None:
    ann = await opened(site)
    site.worker.refusals["sync"] = busy()
    answer = await ann.send(SYNC)
    assert (answer.status, answer.json["frames"][0]["data"]["retry"]) == (200, True)
    site.worker.refusals["sync"] = unauthenticated()
    assert (await ann.send(SYNC)).json["frames"][0]["data"]["code"] == "unauthenticated"
