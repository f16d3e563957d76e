"""What one client may do to a gateway: how fast, how slowly, how often, and what breaks the rules. Real sockets."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
import websockets

from tests.gateway.conftest import NewSite
from tests.gateway.raw_tcp import RawTcp
from tests.gateway.raw_websocket import BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, RawSocket, masked
from tests.gateway.site import Client, Site, until
from tests.http_calls import api, request

SOCKETS = pytest.mark.parametrize("door", [RawSocket, RawTcp], ids=["ws", "tcp"])
Door = type[RawSocket]
HEARTBEAT = b'{"op":"heartbeat"}'


def _sync(frame_id: object, door: Door = RawSocket) -> bytes:
    return door.command("sync", {"cursors": {}}, str(frame_id))


# --- how fast


@SOCKETS
async def test_a_burst_is_answered_and_what_is_beyond_it_is_told_when_to_come_back(site: Site, door: Door) -> None:
    async with await door.open(site, "ann") as raw:
        raw.write(b"".join(_sync(number, door) for number in range(100)))
        answers = [await raw.next_text() for _ in range(100)]
        refusals = [answer for answer in answers if answer["op"] == "error"]
        replies = [int(answer["id"]) for answer in answers if answer["op"] == "reply"]
        assert replies == list(range(39))  # the login was the first of forty
        assert {refusal["data"]["code"] for refusal in refusals} == {"rate_limited"}
        assert all(refusal["data"]["retry"] for refusal in refusals)
        waits = [refusal["data"]["retry_after"] for refusal in refusals]
        assert waits == sorted(waits)
        assert 1 <= waits[0] <= waits[-1] <= 4
        assert site.worker.count("sync") == 39
        await asyncio.sleep(waits[0])
        raw.write(_sync("later", door))
        assert (await raw.next_text())["op"] == "reply"


async def test_heartbeats_and_frames_without_an_id_count_and_get_no_refusal(site: Site) -> None:
    async with await RawSocket.open(site, "ann") as raw:
        raw.write(masked(TEXT, HEARTBEAT) * 100 + masked(TEXT, b'{"op":"sync","data":{"cursors":{}}}') + _sync("last"))
        while (await raw.next_text()).get("id") != "last":
            continue
        assert raw.texts[-1]["data"]["code"] == "rate_limited"
        assert len([frame for frame in raw.texts if frame["op"] == "heartbeat"]) == 39
        assert site.worker.count("sync") == 0


@pytest.mark.parametrize(
    ("door", "frame"),
    [
        pytest.param(RawSocket, _sync(1), id="commands"),
        pytest.param(RawSocket, masked(TEXT, HEARTBEAT), id="heartbeats"),
        pytest.param(RawSocket, masked(PING, b"x"), id="pings"),
        pytest.param(RawSocket, masked(PONG, b""), id="pongs"),
        pytest.param(RawTcp, _sync(1, RawTcp), id="commands over TCP"),
        pytest.param(RawTcp, RawTcp.framed(HEARTBEAT), id="heartbeats over TCP"),
    ],
)
@pytest.mark.slow
async def test_who_goes_on_and_on_is_closed_and_costs_little(new_site: NewSite, door: Door, frame: bytes) -> None:
    site = await new_site(max_messages_over_rate=3000)
    other = await site.login("bob")
    async with await door.open(site, "ann") as raw:
        begun = time.monotonic()
        raw.write(frame * 10_000)
        assert await raw.closed() == 4008
        assert raw.pongs <= 40 + 20 * (time.monotonic() - begun)
        assert site.worker.count("sync") < 200
    assert (await other.ask("sync", {"cursors": {}}))["op"] == "reply"


@SOCKETS
@pytest.mark.slow
async def test_a_burst_of_ten_thousand_is_slowed_down_and_not_closed(site: Site, door: Door) -> None:
    """Nothing more is read for a while: what is not read stays with the client, and in order."""
    async with await door.open(site, "ann") as raw:
        raw.write(b"".join(_sync(number, door) for number in range(10_000)))
        while len([frame for frame in raw.texts if frame["op"] == "reply"]) < 60:
            await raw.next_text()
        assert raw.unsent_bytes or len(raw.texts) < 5000
        replies = [int(frame["id"]) for frame in raw.texts if frame["op"] == "reply" and frame["id"] != "login"]
        assert replies == sorted(replies)
        assert {frame["data"]["code"] for frame in raw.texts if frame["op"] == "error"} == {"rate_limited"}


@SOCKETS
@pytest.mark.slow
async def test_ten_thousand_at_once_are_all_answered_in_order_where_the_rate_allows_it(
    new_site: NewSite, door: Door
) -> None:
    """Reading stops while too many are under way: nothing is refused, and memory does not grow."""
    site = await new_site(messages_per_s=1_000_000, message_burst=1_000_000, request_timeout_s=30)
    site.worker.silent.add("sync")
    async with await door.open(site, "ann") as raw:
        raw.write(b"".join(_sync(number, door) for number in range(10_000)))
        await until(lambda: site.worker.count("sync") >= 1000)
        await _until_still(lambda: site.worker.count("sync"))
        assert site.worker.count("sync") < 2000
        waiting = [seen for seen in site.worker.seen if seen.op == "sync"]
        site.worker.silent.clear()
        site.push(*map(site.worker.answer, waiting))
        answers = [await raw.next_text() for _ in range(10_000)]
    assert {answer["op"] for answer in answers} == {"reply"}
    assert [int(answer["id"]) for answer in answers] == list(range(10_000))


async def _until_still(count: Callable[[], int]) -> None:
    """Until a count has not changed for half a second."""
    before = -1
    while count() != before:
        before = count()
        await asyncio.sleep(0.5)


async def test_over_http_a_session_has_the_same_rate(new_site: NewSite) -> None:
    site = await new_site(messages_per_s=1, message_burst=5)
    token = site.token("ann")
    answers = [await api(site.port, "sync", b'{"cursors":{}}', token) for _ in range(6)]
    assert [answer.status for answer in answers] == [200] * 5 + [429]
    assert answers[-1].code == "rate_limited"
    assert (await api(site.port, "sync", b'{"cursors":{}}', site.token("bob"))).status == 200


async def test_over_long_poll_a_session_has_the_same_rate(site: Site) -> None:
    login = json.dumps({"token": site.token("ann"), "terminal": "mini"}).encode()
    headers = {"Content-Type": "application/json"}
    opened = await asyncio.to_thread(request, site.port, "POST", "/poll/open", login, headers)
    session = json.loads(opened.body)["session"]
    frames = [{"op": "sync", "id": str(number), "data": {"cursors": {}}} for number in range(50)]
    body = json.dumps(frames).encode()
    sent = await asyncio.to_thread(request, site.port, "POST", f"/poll/send?session={session}", body, headers)
    answers = json.loads(sent.body)["frames"]
    assert [answer["id"] for answer in answers] == [frame["id"] for frame in frames]
    assert [answer["op"] for answer in answers] == ["reply"] * 39 + ["error"] * 11
    assert {answer["data"]["code"] for answer in answers[39:]} == {"rate_limited"}


# --- how slowly

HALF = _sync(1)[:10]
FIRST_FRAGMENT = masked(TEXT, b'{"op":', is_final=False)


@pytest.mark.parametrize(
    ("door", "begun"),
    [
        pytest.param(RawSocket, HALF, id="half a frame"),
        pytest.param(RawSocket, FIRST_FRAGMENT, id="half a message"),
        pytest.param(RawSocket, FIRST_FRAGMENT + masked(CONTINUATION, b"x" * 9)[:9], id="half of both"),
        pytest.param(RawTcp, _sync(1, RawTcp)[:2], id="half a length"),
        pytest.param(RawTcp, _sync(1, RawTcp)[:10], id="half a frame over TCP"),
    ],
)
@pytest.mark.parametrize("user", ["ann", ""], ids=["logged in", "before the login"])
async def test_a_message_that_is_never_finished_closes(new_site: NewSite, door: Door, begun: bytes, user: str) -> None:
    site = await new_site(message_timeout_s=0.3, early_message_timeout_s=0.3)
    async with await door.open(site, user) as raw:
        raw.write(begun)
        assert await raw.closed() == 1008


async def test_neither_pings_nor_single_bytes_keep_it_open(new_site: NewSite) -> None:
    site = await new_site(message_timeout_s=1.0)
    async with (
        await RawSocket.open(site, "ann") as pinging,
        await RawSocket.open(site, "bob") as dripping,
        await RawTcp.open(site, "cid") as over_tcp,
    ):

        async def go_on() -> None:
            tcp = (bytes([byte]) for byte in RawTcp.framed(bytes(1000)))
            pinging.write(FIRST_FRAGMENT)
            for byte in RawSocket.framed(bytes(1000)):
                pinging.write(masked(PING, b"alive"))
                dripping.write(bytes([byte]))
                over_tcp.write(next(tcp))
                await asyncio.sleep(0.1)

        going_on = asyncio.create_task(go_on())
        assert await pinging.closed() == 1008
        assert await dripping.closed() == 1008
        assert await over_tcp.closed() == 1008
        assert pinging.pongs > 3
        going_on.cancel()


@SOCKETS
@pytest.mark.slow
async def test_who_finishes_each_message_in_time_stays(new_site: NewSite, door: Door) -> None:
    """Each read ends inside the next message, and each message has its own time."""
    site = await new_site(message_timeout_s=1.5)
    async with await door.open(site, "ann") as raw:
        stream = b"".join(_sync(number, door) for number in range(8))
        size = len(_sync(0, door))
        for start in range(0, len(stream) + size, size):
            raw.write(stream[max(0, start - 10) : start + size - 10])
            await asyncio.sleep(0.25)
        assert [(await raw.next_text())["op"] for _ in range(8)] == ["reply"] * 8


async def test_fragments_make_a_message_and_too_many_do_not(site: Site) -> None:
    async with await RawSocket.open(site, "ann") as raw:
        text = b'{"op":"sync","id":"whole","data":{"cursors":{}}}'
        parts = [text[at : at + 1] for at in range(len(text))]
        raw.write(masked(TEXT, parts[0], is_final=False))
        raw.write(b"".join(masked(CONTINUATION, part, is_final=False) for part in parts[1:-1]))
        raw.write(masked(PING, b"between") + masked(CONTINUATION, parts[-1]))
        assert (await raw.next_text())["id"] == "whole"
        raw.write(masked(TEXT, b"", is_final=False) + masked(CONTINUATION, b"", is_final=False) * 10_000)
        assert await raw.closed() == 1008


# --- frames that break the rules of WebSockets

UNMASKED = bytes((0x81, 2)) + b"{}"
BREACHES: dict[str, tuple[bytes, int]] = {
    "unmasked": (UNMASKED, 1002),
    "not UTF-8": (masked(TEXT, b"\xff"), 1007),
    "overlong UTF-8": (masked(TEXT, b"\xc0\xaf"), 1007),
    "surrogates in UTF-8": (masked(TEXT, b"\xed\xa0\x80"), 1007),
    "bad UTF-8 across fragments": (
        masked(TEXT, b"\xed", is_final=False) + masked(CONTINUATION, b"\xa0\x80"),
        1007,
    ),
    "announces 2^63-1 bytes": (bytes((0x81, 0xFF)) + (2**63 - 1).to_bytes(8, "big"), 1009),
    "announces 64 KiB and 1": (bytes((0x81, 0xFF)) + (64 * 1024 + 1).to_bytes(8, "big"), 1009),
    "fragments over the limit": (
        masked(TEXT, b"x" * 40_000, is_final=False) + masked(CONTINUATION, b"x" * 40_000),
        1009,
    ),
    "text within a fragmented message": (masked(TEXT, b"a", is_final=False) + masked(TEXT, b"b"), 1002),
    "continuation of nothing": (masked(CONTINUATION, b"a"), 1002),
    "reserved bit": (bytes((0xC1, 0x80)) + bytes(4), 1002),
    "reserved opcode": (masked(0x3, b""), 1002),
    "reserved control opcode": (masked(0xB, b""), 1002),
    "fragmented ping": (masked(PING, b"", is_final=False), 1002),
    "ping of 126": (masked(PING, b"x" * 126), 1002),
    "close of one byte": (masked(CLOSE, b"\x03"), 1002),
    "close with 999": (masked(CLOSE, (999).to_bytes(2, "big")), 1002),
    "close with 1005": (masked(CLOSE, (1005).to_bytes(2, "big")), 1002),
    "close with 65535": (masked(CLOSE, b"\xff\xff"), 1002),
    "close with a reason that is not UTF-8": (masked(CLOSE, b"\x03\xe8\xff"), 1007),
    "close, then data": (masked(CLOSE, b"\x03\xe8") + _sync(1), 1000),
    "binary": (masked(BINARY, b"{}"), 1003),
}


@pytest.mark.parametrize("name", BREACHES)
@pytest.mark.parametrize("user", ["ann", ""], ids=["logged in", "before the login"])
async def test_a_breach_closes_only_its_connection(site: Site, name: str, user: str) -> None:
    data, close = BREACHES[name]
    other = await site.login("bob")
    async with await RawSocket.open(site, user) as raw:
        raw.write(data)
        assert await raw.closed() == close
    assert (await other.ask("sync", {"cursors": {}}))["op"] == "reply"
    assert site.worker.count("sync") == 1


# --- how many


async def test_the_eleventh_connection_of_a_user_is_refused(new_site: NewSite) -> None:
    site = await new_site(connections_per="unlimited")
    clients = [await site.login("ann") for _ in range(10)]
    extra = await site.connect()
    refusal = await extra.ask("login", {"token": site.token("ann"), "terminal": "web", "device": "d1"})
    assert (refusal["op"], refusal["data"]["code"], refusal["data"]["retry"]) == ("error", "forbidden", False)
    assert await extra.closed() == 4011
    assert (await clients[0].ask("sync", {"cursors": {}}))["op"] == "reply"
    await clients[0].socket.close()
    await until(lambda: len(site.gateway._hub.of_user("ann")) == 9)
    await site.login("ann")


async def test_over_every_door_a_user_has_so_many_connections(new_site: NewSite) -> None:
    site = await new_site(max_connections_per_user=1)
    await site.login("ann", terminal="pc")
    async with await RawTcp.open(site) as raw:
        raw.write(raw.command("login", {"token": site.token("ann"), "terminal": "web"}, "1"))
        assert await raw.closed() == 4011
        assert raw.texts[-1]["data"]["code"] == "forbidden"
    login = json.dumps({"token": site.token("ann"), "terminal": "mini"}).encode()
    headers = {"Content-Type": "application/json"}
    answer = await asyncio.to_thread(request, site.port, "POST", "/poll/open", login, headers)
    assert (answer.status, answer.code) == (403, "forbidden")


async def _from(site: Site, address: str) -> Client:
    socket = await websockets.connect(
        f"ws://127.0.0.1:{site.port}/ws", additional_headers={"X-Real-IP": address}, compression=None
    )
    return Client(socket)


async def test_an_address_has_so_many_connections(new_site: NewSite) -> None:
    site = await new_site(max_connections_per_address=2)
    clients = [await _from(site, "203.0.113.7") for _ in range(2)]
    with pytest.raises(websockets.InvalidStatus) as refused:
        await _from(site, "203.0.113.7")
    assert refused.value.response.status_code == 429
    assert refused.value.response.headers["Retry-After"] == "5"
    assert json.loads(refused.value.response.body or b"")["error"]["code"] == "rate_limited"
    clients += [await _from(site, "203.0.113.8")]
    await clients[0].socket.close()
    await until(lambda: not site.gateway._attendant.addresses.is_full("203.0.113.7"))
    clients += [await _from(site, "203.0.113.7")]
    for client in clients:
        await client.socket.close()


async def test_nobody_but_a_proxy_says_where_a_client_is(new_site: NewSite) -> None:
    site = await new_site(max_connections_per_address=1, trusted_proxies=("192.0.2.1",))
    clients = [await _from(site, "203.0.113.7") for _ in range(3)]  # from this machine, which is not counted
    for client in clients:
        await client.socket.close()


@pytest.mark.parametrize("said", ["", "unknown", "1.2.3.4, 5.6.7.8", "127.0.0.1", "::1"])
async def test_what_is_no_address_is_not_counted(new_site: NewSite, said: Any) -> None:
    site = await new_site(max_connections_per_address=1)
    for client in [await _from(site, said) for _ in range(2)]:
        await client.socket.close()


CROWD = {"name": "x", "members": ["bob"] * 500}  # as much as 176 sends


@SOCKETS
async def test_the_rate_counts_cost_and_not_frames(new_site: NewSite, door: Door) -> None:
    """What costs more than a burst is possible once, and waits to be paid for."""
    site = await new_site(messages_per_s=20, message_burst=40)
    async with await door.open(site, "ann") as raw:
        for number in range(40):
            raw.write(raw.command("group.create", {**CROWD, "cid": f"c{number}"}, str(number)))
        answers = [await raw.next_text() for _ in range(40)]
    refused = [answer for answer in answers if answer["op"] == "error"]
    assert (len(refused), {answer["data"]["code"] for answer in refused}) == (39, {"rate_limited"})
    assert max(answer["data"]["retry_after"] for answer in refused) >= 7


async def test_a_large_frame_counts_more_than_a_small_one(new_site: NewSite) -> None:
    site = await new_site(messages_per_s=1, message_burst=10)
    client = await site.login("ann")
    data = {"conversation": "p:ann:bob", "type": "custom", "body": {"x": "a" * 60_000}}
    begun = time.monotonic()
    answers = [await client.ask("message.send", {**data, "cid": f"c{number}"}) for number in range(10)]
    forgiven = time.monotonic() - begun  # one a second
    assert 5 <= [answer["op"] for answer in answers].count("reply") <= 6 + forgiven


async def test_over_http_many_calls_at_once_cost_what_they_cost(new_site: NewSite) -> None:
    """Each was let in before the first was counted in full."""
    site = await new_site(messages_per_s=20, message_burst=40)
    token = site.token("ann")
    calls = [api(site.port, "group.create", {**CROWD, "cid": f"c{number}"}, token) for number in range(20)]
    assert sorted(answer.status for answer in await asyncio.gather(*calls)) == [200] + [429] * 19
